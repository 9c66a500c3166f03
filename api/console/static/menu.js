// On a narrow screen, places and preferences are behind a button (console.css).
export function watchMenu() {
  const button = document.querySelector("[data-menu]");
  const show = (isOpen) => button.setAttribute("aria-expanded", String(isOpen));
  button.hidden = false;
  button.addEventListener("click", () => show(button.getAttribute("aria-expanded") !== "true"));
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || button.getAttribute("aria-expanded") !== "true") return;
    show(false);
    button.focus();
  });
}
