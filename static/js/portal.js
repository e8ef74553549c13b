// Liveness and comfort. Every page works without it.
"use strict";

// The server writes times in the viewer's zone once it knows it.
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
document.cookie = `timezone=${zone}; path=/; max-age=31536000; samesite=lax${location.protocol === "https:" ? "; secure" : ""}`;
document.querySelectorAll("[data-zone-name]").forEach((element) => { element.textContent = zone; });

const UNITS = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
const pad = (number) => String(number).padStart(2, "0");

function relativeWords(date) {
  const seconds = (Date.now() - date) / 1000;
  const length = Math.abs(seconds);
  if (length < 5) return "just now";
  const [size, name] = UNITS.find(([unit]) => length >= unit);
  const count = Math.floor(length / size);
  return seconds > 0 ? `${count} ${name} ago` : `in ${count} ${name}`;
}

function localWords(date, withSeconds) {
  const day = `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}`;
  return `${day} ${pad(date.getHours())}:${pad(date.getMinutes())}${withSeconds ? `:${pad(date.getSeconds())}` : ""}`;
}

function refreshTimes(root) {
  root.querySelectorAll("time[data-time]").forEach((element) => {
    const date = new Date(element.dateTime);
    const utc = date.toISOString().slice(0, 19).replace("T", " ") + " UTC";
    element.title = date.getTimezoneOffset() ? `${localWords(date, true)} ${zone} · ${utc}` : utc;
    const words = element.dataset.time === "ago" ? relativeWords(date) : localWords(date, false);
    if (element.textContent !== words) element.textContent = words;
  });
}
refreshTimes(document);
setInterval(() => refreshTimes(document), 5000);
document.addEventListener("htmx:afterSwap", (event) => refreshTimes(event.target.parentNode || document));

// Copy buttons
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
    button.classList.add("copied");
    setTimeout(() => button.classList.remove("copied"), 1500);
  } catch {
    toast("This browser does not let the page copy; select the text instead.");
  }
});

// Menus close on a click elsewhere and on Escape.
document.addEventListener("click", (event) => {
  document.querySelectorAll("details.menu[open]").forEach((menu) => { if (!menu.contains(event.target)) menu.open = false; });
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  const menu = document.querySelector("details.menu[open]");
  if (menu) { menu.open = false; menu.querySelector("summary").focus(); }
});

// Requests that fail say so once, and polling goes on.
let toastTimer;
function toast(words) {
  const line = document.getElementById("toast");
  line.textContent = words;
  line.hidden = false;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => { line.hidden = true; }, 6000);
}
document.addEventListener("htmx:sendError", () => toast("The portal does not answer. This page goes on by itself when it does."));
document.addEventListener("htmx:timeout", () => toast("The portal took too long to answer. Try again."));
document.addEventListener("htmx:responseError", (event) => {
  const status = event.detail.xhr.status;
  if (status === 403) toast("You may not do this, or the page is too old. Reload it.");
  else if (status === 404) toast("This is gone. Reload the page.");
  else toast(`The portal answered with error ${status}. The log on its machine says more.`);
});

// A table with a search field: [data-search] filters the rows of the table it names by their [data-text].
document.addEventListener("input", (event) => {
  const field = event.target.closest("[data-search]");
  if (!field) return;
  const wanted = field.value.trim().toLowerCase();
  document.querySelectorAll(`${field.dataset.search} [data-text]`).forEach((row) => {
    row.hidden = wanted !== "" && !row.dataset.text.toLowerCase().includes(wanted);
  });
});
