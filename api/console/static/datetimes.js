// Moments in the viewer's own time zone and language. Without this script they are in UTC, and say so.
// The page's language as this browser speaks it: in English, days and hours are written in several ways.
const language = navigator.languages.find((one) => one.split("-")[0] === document.documentElement.lang)
  ?? document.documentElement.lang;
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
const two = (number) => String(number).padStart(2, "0");

const CLOCK = { hour: "2-digit", minute: "2-digit", second: "2-digit" };
const MINUTE = { hour: "2-digit", minute: "2-digit" };
const DAY = { day: "numeric", month: "short" };

// The year is said only when it is not this one.
function styleOf(name, moment) {
  if (name === "time") return CLOCK;
  const clock = name === "minute" && !moment.getSeconds() ? MINUTE : CLOCK;
  return moment.getFullYear() === new Date().getFullYear() ? { ...DAY, ...clock } : { ...DAY, year: "numeric", ...clock };
}

export function localizeMoments(root) {
  for (const element of root.querySelectorAll("time[data-moment]")) {
    const moment = new Date(element.dateTime);
    element.textContent = new Intl.DateTimeFormat(language, styleOf(element.dataset.moment, moment)).format(moment);
    element.title = moment.toISOString();
  }
}

// Fields for dates hold UTC as the server writes them, and the viewer's time from here on; `zone` tells the server.
export function localizeFields(root) {
  for (const element of root.querySelectorAll("[data-zone-name]")) element.textContent = zone;
  for (const input of root.querySelectorAll("input[data-zone]")) input.value = zone;
  for (const input of root.querySelectorAll("input[data-utc]")) {
    const moment = new Date(input.dataset.utc);
    if (!input.dataset.utc.endsWith("Z") || Number.isNaN(moment.getTime())) continue;
    const shown = localValue(moment);
    // What the viewer typed before going away and coming back, the browser has put there again.
    if (Date.parse(`${input.value}Z`) === Date.parse(`${input.defaultValue}Z`)) input.value = shown;
    // A field that still shows this means the exact moment, which it can't hold.
    input.form.elements[`${input.name}_shown`].value = shown;
  }
  for (const input of root.querySelectorAll("input[data-own-zone]")) input.value ||= zone;
}

function localValue(moment) {
  const date = `${moment.getFullYear()}-${two(moment.getMonth() + 1)}-${two(moment.getDate())}`;
  return `${date}T${two(moment.getHours())}:${two(moment.getMinutes())}:${two(moment.getSeconds())}`;
}
