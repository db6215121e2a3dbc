// A place in source code, such as hw/virtio/virtio.c:14, is a link to its lines further down the page (kvmdocs/render/places.py).
// A click opens a copy of them right under the line that names them, and another click closes it. Listens to the document, which
// stays when instant navigation swaps its content.
(() => {
  // What each link has open, and the way back. Not aria-controls: the theme's tooltips set and remove that one
  const opened = new WeakMap()
  const openers = new WeakMap()

  // The folded lines that a link leads to
  const target = link => document.getElementById(decodeURIComponent(link.hash.slice(1)))?.closest(".tr-peek details")

  document.addEventListener("click", event => {
    if (event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey || !(event.target instanceof Element)) return
    const close = event.target.closest(".tr-here-close")
    const link = close ? openers.get(close.closest(".tr-here")) : event.target.closest("a.tr-at")
    if (!link) return
    const lines = target(link)
    if (!lines) return
    event.preventDefault()
    event.stopPropagation()
    toggle(link, lines)
    if (close) link.focus()
  }, true)

  document.addEventListener("keydown", event => {
    if (event.key !== "Escape" || !(event.target instanceof Element)) return
    const here = event.target.closest(".tr-here")
    const link = here ? openers.get(here) : event.target.closest('a.tr-at[aria-expanded="true"]')
    if (!link) return
    toggle(link, target(link))
    link.focus()
  })

  // A page may be opened at a place whose session is not the tab that was chosen last
  const reveal = () => {
    const block = document.getElementById(decodeURIComponent(location.hash.slice(1)))?.closest(".tr-tabs .tabbed-block")
    if (!block || block.offsetParent) return
    const index = [...block.parentElement.children].indexOf(block)
    block.closest(".tabbed-set").querySelectorAll(":scope > input")[index].checked = true
    document.getElementById(decodeURIComponent(location.hash.slice(1))).scrollIntoView()
  }
  addEventListener("hashchange", reveal)
  if (typeof document$ === "object") document$.subscribe(reveal)
  else reveal()

  function toggle(link, lines) {
    const there = opened.get(link)
    link.setAttribute("aria-expanded", String(!there))
    if (there) {
      opened.delete(link)
      const output = there.closest("pre")
      ;(there.closest(".tr-here-row") ?? there).remove()
      output?.normalize()
      return
    }
    const here = copy(lines)
    opened.set(link, here)
    openers.set(here, link)
    place(link, here)
  }

  function copy(lines) {
    const here = document.createElement("div")
    here.className = "tr-here"
    const head = document.createElement("div")
    head.className = "tr-here-head"
    head.append(...[...lines.querySelector("summary").childNodes].map(node => node.cloneNode(true)))
    const close = document.createElement("button")
    close.type = "button"
    close.className = "tr-here-close"
    close.ariaLabel = lines.closest(".tr-peek").dataset.close
    close.textContent = "×"
    head.append(close)
    const body = [...lines.querySelectorAll(":scope > :not(summary)")].map(node => node.cloneNode(true))
    for (const part of body) part.removeAttribute("id")
    here.append(head, ...body)
    here.setAttribute("role", "group")
    here.setAttribute("aria-label", head.querySelector("code").textContent)
    return here
  }

  // Under the line of an output, under the row of a table, or after the paragraph
  function place(link, here) {
    const output = link.closest("pre")
    const row = link.closest("tr")
    if (output) {
      let node = link
      while (node.parentNode !== output) node = node.parentNode
      while (node && !(node.nodeType === Node.TEXT_NODE && node.data.includes("\n"))) node = node.nextSibling
      if (node) node.splitText(node.data.indexOf("\n") + 1).before(here)
      else output.append(here)
    } else if (row) {
      const wide = document.createElement("tr")
      wide.className = "tr-here-row"
      const cell = wide.insertCell()
      cell.colSpan = [...row.cells].reduce((count, one) => count + one.colSpan, 0)
      cell.append(here)
      row.after(wide)
    } else {
      link.closest("p, li, div").append(here)
    }
  }
})()
