// Parts of a page that are fetched again every few seconds, as the server renders them.
import { localizeMoments } from "./moments.js";

const QUIET = 15000; // milliseconds between two announcements to a screen reader
let announced = 0;

export function watchLive() {
  for (const part of document.querySelectorAll("[data-live]")) watch(part);
}

function watch(part) {
  const every = Number(part.dataset.every) * 1000;
  let shown = "";
  let failures = 0;
  const look = async () => {
    // A page that nobody looks at asks for nothing.
    if (document.visibilityState === "visible") {
      try {
        const response = await fetch(part.dataset.live, { headers: { Accept: "text/html" }, cache: "no-store" });
        if (response.redirected || response.status === 401) return location.reload();
        if (!response.ok) throw new Error(String(response.status));
        const html = await response.text();
        if (html !== shown) replace(part, html);
        shown = html;
        failures = 0;
      } catch {
        failures += 1;
      }
      part.classList.toggle("stale", failures > 1);
    }
    setTimeout(look, every * Math.min(2 ** failures, 8));
  };
  setTimeout(look, every);
  document.addEventListener("visibilitychange", () => part.classList.toggle("stale", failures > 1));
}

function replace(part, html) {
  // Whoever is at a link or scrolls a table stays there.
  const focused = part.contains(document.activeElement) ? place(part, document.activeElement) : null;
  const scrolled = [...part.querySelectorAll(".table-responsive")].map((table) => table.scrollLeft);
  part.replaceChildren(document.createRange().createContextualFragment(html));
  localizeMoments(part);
  [...part.querySelectorAll(".table-responsive")].forEach((table, number) => { table.scrollLeft = scrolled[number] ?? 0; });
  if (focused) [...part.querySelectorAll(focused.selector)][focused.number]?.focus({ preventScroll: true });
  announce(part.querySelector("[data-announce]")?.textContent ?? "");
}

function place(part, element) {
  const href = element.getAttribute("href");
  const selector = href ? `a[href="${CSS.escape(href)}"]` : element.tagName.toLowerCase();
  return { selector, number: [...part.querySelectorAll(selector)].indexOf(element) };
}

function announce(words) {
  const announcer = document.getElementById("announcer");
  if (words.trim() === announcer.textContent || Date.now() - announced < QUIET) return;
  announcer.textContent = words.trim();
  announced = Date.now();
}
