// Small comforts; every page works without them.
"use strict";

// Times in the reader's zone; UTC stays on hover.
const shown = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
function localTimes(root) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    const moment = new Date(time.dateTime);
    if (!Number.isNaN(moment.getTime())) time.textContent = shown.format(moment);
  }
}
localTimes(document);

// What may be hard to take back asks first, with the words that the button carries.
document.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-ask]");
  if (button && !window.confirm(button.dataset.ask)) event.preventDefault();
});

// Leaving a changed form asks first.
let changed = document.querySelector("form[data-changed]") !== null;
document.addEventListener("input", (event) => {
  if (event.target.closest("form[data-keep]")) changed = true;
});
document.addEventListener("submit", () => { changed = false; });
window.addEventListener("beforeunload", (event) => { if (changed) event.preventDefault(); });

// What goes on by itself is looked at again every few seconds, unless somebody is busy with it or wants a pause.
const LIVE = 4000;
let paused = false;
function offerPause(root) {
  for (const button of root.querySelectorAll("[data-pause]")) {
    button.hidden = false;
    button.setAttribute("aria-pressed", String(paused));
    button.textContent = paused ? "Go on" : "Pause";
  }
}
document.addEventListener("click", (event) => {
  if (!event.target.closest("[data-pause]")) return;
  paused = !paused;
  offerPause(document);
  event.target.blur();
});
async function refresh(region) {
  const busy = region.contains(document.activeElement) || !window.getSelection().isCollapsed;
  if (paused || document.hidden || busy || region.querySelector("details[open]")) return;
  const reply = await fetch(location.href, { headers: { "Sluice-Live": "1" }, redirect: "error" });
  if (!reply.ok) return;
  const fresh = new DOMParser().parseFromString(await reply.text(), "text/html").querySelector("[data-live]");
  if (!fresh || paused) return;
  localTimes(fresh);
  offerPause(fresh);
  region.replaceChildren(...fresh.childNodes);
}
const live = document.querySelector("[data-live]");
if (live) {
  offerPause(live);
  setInterval(() => {
    refresh(live).catch(() => { /* the service may be restarting: the next look tells */ });
  }, LIVE);
}

// Long work goes on by itself; without this script a button does it.
const onward = document.querySelector("form[data-go-on]");
if (onward) onward.requestSubmit();

// Empty filters stay out of the address.
for (const form of document.querySelectorAll("form[data-utc]")) {
  form.addEventListener("formdata", (event) => {
    for (const [name, value] of [...event.formData]) if (value === "") event.formData.delete(name);
  });
}

// A list of checkboxes with one for all of them.
for (const all of document.querySelectorAll("input[data-all]")) {
  all.hidden = false;
  all.addEventListener("change", () => {
    for (const one of document.querySelectorAll(`input[name="${all.dataset.all}"]`)) one.checked = all.checked;
  });
}
