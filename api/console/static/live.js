// Parts of a page that are fetched again every few seconds, as the server renders them.
import { localizeMoments } from "./datetimes.js";
import { patch } from "./patch.js";

const QUIET = 15000; // milliseconds between two announcements to a screen reader
const PATIENCE = 5000; // milliseconds for an answer
const LATE = 3; // so many times as long as between two answers, and what is shown is said to be old
let announced = 0;
let pressed = 0; // when, in milliseconds; 0 for not at all

export function watchLive() {
  const parts = document.querySelectorAll("[data-live]");
  if (!parts.length) return;
  // Nothing moves between pressing and releasing a button: the click would go to something else.
  document.addEventListener("pointerdown", (event) => { if (event.button === 0) pressed = Date.now(); }, true);
  for (const name of ["pointerup", "pointercancel"]) {
    document.addEventListener(name, () => setTimeout(() => { pressed = 0; }), true);
  }
  for (const part of parts) watch(part);
}

function watch(part) {
  const every = Number(part.dataset.every) * 1000;
  const notice = part.previousElementSibling?.closest("[data-stale]");
  let updated = Date.now();
  let failures = 0;
  let timer;
  let isAsking = false;
  const sayHowOld = () => {
    const isOld = document.visibilityState === "visible" && Date.now() - updated > LATE * every;
    part.classList.toggle("stale", isOld);
    if (!notice || notice.hidden !== isOld) return;
    notice.hidden = !isOld;
    const since = notice.querySelector("time");
    Object.assign(since.dataset, { moment: "time" });
    since.dateTime = new Date(updated).toISOString();
    localizeMoments(notice);
  };
  const look = async () => {
    // A page that nobody looks at asks for nothing.
    if (isAsking) return;
    if (document.visibilityState === "visible") {
      isAsking = true;
      try {
        const fresh = await fetched(part);
        if (!fresh) return;
        while (Date.now() - pressed < PATIENCE) await new Promise((resolve) => setTimeout(resolve, 50));
        patch(part, fresh);
        announce(part.querySelector("[data-announce]")?.textContent ?? "");
        updated = Date.now();
        failures = 0;
      } catch {
        failures += 1;
      }
      isAsking = false;
    }
    sayHowOld();
    clearTimeout(timer);
    timer = setTimeout(look, every * Math.min(2 ** failures, 4));
  };
  timer = setTimeout(look, every);
  setInterval(sayHowOld, 1000);
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible") look();
  });
}

// Raises when there is no answer, or none that is the part. Nobody is signed in: the page itself says what to do.
async function fetched(part) {
  const options = { headers: { Accept: "text/html" }, cache: "no-store", signal: AbortSignal.timeout(PATIENCE) };
  const response = await fetch(part.dataset.live, options);
  if (response.redirected || response.status === 401) return location.reload();
  if (!response.ok) throw new Error(String(response.status));
  const fresh = document.createRange().createContextualFragment(await response.text());
  localizeMoments(fresh);
  return fresh;
}

function announce(words) {
  const announcer = document.getElementById("announcer");
  if (words.trim() === announcer.textContent || Date.now() - announced < QUIET) return;
  announcer.textContent = words.trim();
  announced = Date.now();
}
