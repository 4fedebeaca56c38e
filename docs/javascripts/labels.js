// The theme gives no name to the buttons of a code block, which screen readers list as landmarks.
let count = 0;
new MutationObserver(() => {
  for (const buttons of document.querySelectorAll("nav.md-code__nav:not([aria-label])")) {
    count += 1;
    buttons.setAttribute("aria-label", `Code block ${count}`);
  }
}).observe(document.documentElement, { childList: true, subtree: true });
