// The status page's filter and sorting. Without this script the table is whole, by chapter; with it nothing else is fetched.
(() => {
  for (const box of document.querySelectorAll(".ks:not([data-ready])")) {
    box.dataset.ready = ""
    const say = box.dataset
    const table = box.querySelector("table")
    const groups = [...table.tBodies]
    const rows = groups.flatMap(group => [...group.rows].slice(1))
    const make = (tag, more = {}, ...inside) => {
      const made = Object.assign(document.createElement(tag), more)
      made.append(...inside)
      return made
    }

    // The address may ask for one page's recipes: ?page=kvm/gdb.html
    let page = new URLSearchParams(location.search).get("page") || ""
    if (!rows.some(row => row.dataset.pages.split(" ").includes(page))) page = ""
    const title = page && rows.flatMap(row => [...row.querySelectorAll(".ks-pages a")]).find(
      link => new URL(link.href).pathname.endsWith("/" + page))?.textContent

    const text = make("input", {type: "search", placeholder: say.text, autocomplete: "off"})
    text.setAttribute("aria-label", say.text)
    const state = make("select", {}, make("option", {value: "", textContent: say.any}),
      box.querySelector(".ks-states").content.cloneNode(true))
    const chip = make("button", {type: "button", className: "ks-chip", title: say.clear, hidden: !page,
      textContent: say.only.replace("{page}", title || page) + " ×"})
    const back = make("button", {type: "button", className: "ks-chip", textContent: say.order, hidden: true})
    const found = make("p", {className: "ks-found"})
    found.setAttribute("role", "status")
    const form = make("form", {className: "ks-filter"}, text, make("label", {}, say.state + " ", state), chip, back, found)
    form.addEventListener("submit", event => event.preventDefault())
    box.prepend(form)

    const filter = () => {
      const wanted = text.value.toLowerCase().split(/\s+/).filter(Boolean)
      let shown = 0
      for (const row of rows) {
        const fits = wanted.every(word => row.dataset.text.includes(word))
          && (!state.value || row.dataset.state === state.value)
          && (!page || row.dataset.pages.split(" ").includes(page))
        row.hidden = !fits
        shown += fits
      }
      for (const group of groups) group.hidden = ![...group.rows].slice(1).some(row => !row.hidden)
      found.textContent = shown ? say.found.replace("{shown}", shown).replace("{all}", rows.length) : say.none
    }
    const all = () => {
      page = ""
      text.value = ""
      state.value = ""
      chip.hidden = true
      filter()
    }
    // A link to a row leads to it, whatever the filter hides.
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

    // Sorted, the rows stand in one group without the chapters' lines; by chapter they stand as they came.
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
      const button = make("button", {type: "button", title: say.sort}, ...head.childNodes)
      head.append(button)
      button.addEventListener("click", () => sort(head, head.getAttribute("aria-sort") === "ascending"))
    }
    back.addEventListener("click", () => sort(null, false))

    // Somebody who looks later than the site was built wants the age of today.
    const ages = new Intl.RelativeTimeFormat(document.documentElement.lang || "en", {numeric: "auto"})
    for (const age of box.querySelectorAll("time + .ks-age")) {
      const made = new Date(age.previousElementSibling.dateTime)
      const day = moment => Math.floor(moment / 864e5)
      if (!isNaN(made)) age.textContent = ages.format(Math.min(day(made) - day(Date.now()), 0), "day")
    }
    filter()
  }
})()
