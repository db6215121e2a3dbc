// Copy buttons of transcripts, for themes that have none of their own. The text is in an attribute, as Material's script expects it.
(() => {
  document.documentElement.classList.add("js")

  document.addEventListener("click", async event => {
    const button = event.target instanceof Element && event.target.closest("[data-clipboard-text]")
    if (!button) return
    await navigator.clipboard.writeText(button.dataset.clipboardText)
    button.classList.add("tr-copied")
    setTimeout(() => button.classList.remove("tr-copied"), 1200)
  })
})()
