// What the theme leaves out for those who read with a keyboard or hear a page: names for its copy buttons, and Escape. Listens to the document, which
// stays when instant navigation swaps its content.
(() => {
  const LONGEST = 60 // letters of what is copied that its button's name tells

  // The theme's buttons all have one name, in a `title` that it takes away while its tooltip is shown: so also from who comes to them by key.
  const name = button => {
    const box = button.closest("[data-copy]")
    const text = (box?.dataset.copy ?? button.closest("pre")?.querySelector("code")?.textContent ?? "").replace(/\s+/g, " ").trim()
    const told = text.length > LONGEST ? text.slice(0, LONGEST).trimEnd() + "…" : text
    // The theme looks for the code by the name of its box, and finds none whose name has dots in it, as those of the reference have: nothing was copied.
    const named = button.closest("pre[id]")
    if (named && button.dataset.clipboardTarget) button.dataset.clipboardTarget = `#${CSS.escape(named.id)} > code`
    button.ariaLabel = (document.documentElement.lang === "zh" ? "复制：" : "Copy: ") + told
  }
  const nameAll = within => within.querySelectorAll('.md-code__nav > [data-md-type="copy"]').forEach(name)
  nameAll(document)
  new MutationObserver(changes => {
    for (const change of changes)
      for (const added of change.addedNodes) if (added instanceof Element && added.matches(".md-code__nav")) nameAll(added.parentElement)
  }).observe(document.body, {childList: true, subtree: true})

  document.addEventListener("keydown", event => {
    if (event.key !== "Escape") return
    // A tooltip that is shown anew is a new element.
    for (const tooltip of document.querySelectorAll('.md-tooltip2[role="tooltip"]')) tooltip.style.display = "none"
    // The theme's list of languages is open as long as something in it has the focus or the pointer. site.css closes it; the way back is open again once both have left, or with the button.
    const menu = document.querySelector(".md-select:is(:focus-within, :hover)")
    if (!menu) return
    if (menu.contains(document.activeElement)) menu.querySelector("button").focus()
    menu.dataset.closed = ""
  })
  const open = event => {
    const menu = event.target instanceof Element && event.target.closest(".md-select[data-closed]")
    if (menu && !(event.relatedTarget instanceof Node && menu.contains(event.relatedTarget))) delete menu.dataset.closed
  }
  for (const kind of ["focusout", "pointerout", "click"]) document.addEventListener(kind, open)
})()
