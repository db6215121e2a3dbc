// Filter and sorting of the status page's table. Without this script the table is complete and grouped by chapter.
(() => {
  for (const box of document.querySelectorAll(".ks:not([data-ready])")) {
    box.dataset.ready = ""
    const words = box.dataset
    const table = box.querySelector("table")
    const groups = [...table.tBodies]
    const rows = groups.flatMap(group => [...group.rows].slice(1))
    const make = (tag, more = {}, ...inside) => {
      const element = Object.assign(document.createElement(tag), more)
      element.append(...inside)
      return element
    }

    // A query such as ?page=kvm/gdb.html shows the recipes of one page only.
    let page = new URLSearchParams(location.search).get("page") || ""
    if (!rows.some(row => row.dataset.pages.split(" ").includes(page))) page = ""
    const title = page && rows.flatMap(row => [...row.querySelectorAll(".ks-pages a")]).find(
      link => new URL(link.href).pathname.endsWith("/" + page))?.textContent

    const text = make("input", {type: "search", placeholder: words.text, autocomplete: "off"})
    text.setAttribute("aria-label", words.text)
    const state = make("select", {}, make("option", {value: "", textContent: words.any}),
      box.querySelector(".ks-states").content.cloneNode(true))
    const chip = make("button", {type: "button", className: "ks-chip", title: words.clear, hidden: !page,
      textContent: words.only.replace("{page}", title || page) + " ×"})
    const back = make("button", {type: "button", className: "ks-chip", textContent: words.order, hidden: true})
    const found = make("p", {className: "ks-found"})
    found.setAttribute("role", "status")
    const form = make("form", {className: "ks-filter"}, text, make("label", {}, words.state + " ", state), chip, back, found)
    form.addEventListener("submit", event => event.preventDefault())
    box.prepend(form)

    const filter = () => {
      const terms = text.value.toLowerCase().split(/\s+/).filter(Boolean)
      let shown = 0
      for (const row of rows) {
        const fits = terms.every(word => row.dataset.text.includes(word))
          && (!state.value || row.dataset.state === state.value)
          && (!page || row.dataset.pages.split(" ").includes(page))
        row.hidden = !fits
        shown += fits
      }
      for (const group of groups) group.hidden = ![...group.rows].slice(1).some(row => !row.hidden)
      found.textContent = shown ? words.found.replace("{shown}", shown).replace("{all}", rows.length) : words.none
    }
    const all = () => {
      page = ""
      text.value = ""
      state.value = ""
      chip.hidden = true
      filter()
    }
    // A link to a row that the filter hides clears the filter.
    const reveal = () => {
      const row = location.hash.startsWith("#status-") && document.getElementById(decodeURIComponent(location.hash.slice(1)))
      if (!row || !row.hidden) return
      all()
      row.scrollIntoView()
    }
    addEventListener("hashchange", reveal)
    text.addEventListener("input", filter)
    state.addEventListener("change", filter)
    chip.addEventListener("click", () => {
      all()
      text.focus()
      history.replaceState(history.state, "", location.pathname + location.hash)
    })

    // Sorted rows are in one group without chapter heads. Without sorting they return to their chapters.
    const sorted = table.createTBody()
    sorted.hidden = true
    const heads = [...table.tHead.rows[0].cells]
    const numbers = new Set(["seconds"])
    const home = new Map(groups.map(group => [group, [...group.rows].slice(1)]))
    const sort = (head, down) => {
      for (const other of heads) other.removeAttribute("aria-sort")
      back.hidden = !head
      sorted.hidden = !head
      if (!head) {
        for (const [group, own] of home) group.append(...own)
        filter()
        return
      }
      head.setAttribute("aria-sort", down ? "descending" : "ascending")
      const key = head.dataset.sort
      const compare = numbers.has(key)
        ? (one, other) => one.dataset[key] - other.dataset[key]
        : (one, other) => one.dataset[key].localeCompare(other.dataset[key])
      sorted.append(...[...rows].sort((one, other) => (down ? -1 : 1) * compare(one, other)))
      filter()
      sorted.hidden = false
    }
    for (const head of heads) {
      const button = make("button", {type: "button", title: words.sort}, ...head.childNodes)
      head.append(button)
      button.addEventListener("click", () => sort(head, head.getAttribute("aria-sort") === "ascending"))
    }
    back.addEventListener("click", () => sort(null, false))

    // Show ages as of today instead of as of the build.
    const ages = new Intl.RelativeTimeFormat(document.documentElement.lang || "en", {numeric: "auto"})
    for (const age of box.querySelectorAll("time + .ks-age")) {
      const made = new Date(age.previousElementSibling.dateTime)
      const day = moment => Math.floor(moment / 864e5)
      if (!isNaN(made)) age.textContent = ages.format(Math.min(day(made) - day(Date.now()), 0), "day")
    }
    filter()
  }
})()
