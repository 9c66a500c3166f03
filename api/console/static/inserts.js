// Buttons that write something into a text, and the choice of a saved template.
export function watchInserts() {
  const text = document.querySelector("textarea[data-inserts]");
  if (!text) return;
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-insert]");
    if (button) write(text, button.dataset.insert);
  });
  const choice = document.querySelector("select[data-fills]");
  const button = document.querySelector("button[data-fill]");
  button?.addEventListener("click", (event) => {
    event.preventDefault();
    const chosen = choice.selectedOptions[0];
    if (!chosen?.dataset.text) return;
    text.select();
    write(text, chosen.dataset.text);
  });
}

// In place of the selection, so that the browser can undo it.
function write(text, words) {
  text.focus();
  if (!document.execCommand("insertText", false, words)) text.setRangeText(words, text.selectionStart, text.selectionEnd, "end");
  text.dispatchEvent(new Event("input", { bubbles: true }));
}
