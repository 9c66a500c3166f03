// Before anything is painted: the system's colours, unless others were chosen. Choosing them does not load the page again.
"use strict";
(() => {
  const root = document.documentElement;
  root.dataset.scripts = ""; // for styles that need a script to go on
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  let chosen = root.dataset.bsTheme ?? "";
  const paint = () => root.setAttribute("data-bs-theme", chosen || (dark.matches ? "dark" : "light"));
  paint();
  dark.addEventListener("change", paint);
  document.addEventListener("click", (event) => {
    const choice = event.target.closest("[data-theme]");
    if (!choice) return;
    event.preventDefault();
    chosen = choice.dataset.theme;
    paint();
    document.querySelector("meta[name=color-scheme]").content = chosen || "light dark";
    for (const one of document.querySelectorAll("[data-theme]")) {
      one === choice ? one.setAttribute("aria-current", "true") : one.removeAttribute("aria-current");
    }
    // Kept in a cookie; without a connection, the colours hold for this page.
    fetch(choice.href, { redirect: "manual" }).catch(() => {});
  });
})();
