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
    const kind = element.dataset.time;
    const words = kind === "ago" ? relativeWords(date) : kind === "clock" ? localWords(date).slice(11) : localWords(date, kind === "second");
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
    toast("Copied.");
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
// A poll that is refused or finds nothing is refused again in two seconds: say so once, and stop asking.
function stopPolling(element) {
  if (!element.getAttribute("hx-trigger")?.startsWith("every")) return;
  ["hx-get", "hx-trigger", "hx-include"].forEach((name) => element.removeAttribute(name));
  htmx.process(element);
}
document.addEventListener("htmx:responseError", (event) => {
  const status = event.detail.xhr.status;
  if (status === 403 || status === 404) setTimeout(() => stopPolling(event.detail.elt));
  if (status === 403) toast("You may not do this, or the page is too old. Reload it.");
  else if (status === 404) toast("This is gone. Reload the page.");
  else toast(`The portal answered with error ${status}. The log on its machine says more.`);
});

document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && event.target.closest("[data-search]")) event.preventDefault();
});

// The list of findings is swapped while it lives: what is open stays open, and nobody who types or marks is disturbed.
let rememberedFolds = new Map();
let actsOnFindings = false;
function isBusyIn(list) {
  const field = document.activeElement;
  if (list.contains(field) && field.matches("input:not([type=hidden])") && field.value !== "") return true;
  const marked = document.getSelection();
  return !marked.isCollapsed && list.contains(marked.anchorNode);
}
// A deed waits for a poll that is under way (hx-sync), whose answer is dropped: its form must not be swapped away.
document.addEventListener("submit", (event) => { if (event.target.closest("#findings")) actsOnFindings = true; }, true);
document.addEventListener("htmx:beforeSwap", (event) => {
  if (actsOnFindings && event.target.id === "live" && event.detail.requestConfig.verb === "get") event.detail.shouldSwap = false;
});
document.addEventListener("htmx:afterRequest", (event) => {
  if (event.detail.requestConfig.verb === "post") actsOnFindings = false;
});
document.addEventListener("htmx:oobBeforeSwap", (event) => {
  const list = event.detail.target;
  if (list.id !== "findings") return;
  event.detail.shouldSwap = actsOnFindings || !isBusyIn(list);
  document.getElementById("findings-stale").hidden = event.detail.shouldSwap;
  rememberedFolds = new Map([...list.querySelectorAll("details[id]:not(.accept)")].map((fold) => [fold.id, fold.open]));
  const held = document.activeElement;
  rememberedFolds.focused = list.contains(held) ? held.id : "";
});
document.addEventListener("htmx:oobAfterSwap", (event) => {
  if (event.detail.target.id !== "findings") return;
  actsOnFindings = false;
  const list = document.getElementById("findings");
  list.querySelectorAll("details[id]").forEach((fold) => {
    if (rememberedFolds.has(fold.id)) fold.open = rememberedFolds.get(fold.id);
  });
  if (rememberedFolds.focused) document.getElementById(rememberedFolds.focused)?.focus();
  refreshTimes(list);
});

// What a person opened on the Replication side stays open, and in focus, when a poll brings it anew.
let openedFolds = [], focusedFold = "";
document.addEventListener("htmx:oobBeforeSwap", (event) => {
  const side = event.detail.target;
  if (side.id !== "replication") return;
  openedFolds = [...side.querySelectorAll("details[id][open]")].map((fold) => fold.id);
  focusedFold = document.activeElement?.closest("#replication summary")?.parentElement.id ?? "";
});
document.addEventListener("htmx:oobAfterSwap", (event) => {
  if (event.detail.target.id !== "replication") return;
  openedFolds.forEach((id) => { const fold = document.getElementById(id); if (fold) fold.open = true; });
  if (focusedFold) document.getElementById(focusedFold)?.querySelector("summary").focus();
});

// A table with a search field: [data-search] filters the rows of the table it names by their [data-text].
document.addEventListener("input", (event) => {
  const field = event.target.closest("[data-search]");
  if (!field) return;
  const wanted = field.value.trim().toLowerCase();
  document.querySelectorAll(`${field.dataset.search} [data-text]`).forEach((row) => {
    row.hidden = wanted !== "" && !row.dataset.text.toLowerCase().includes(wanted);
  });
  document.querySelectorAll(`${field.dataset.search} details`).forEach((fold) => openForMatches(fold, wanted !== ""));
});
// While one searches, a fold with a match is open and one without is not there; then each is as it was before.
function openForMatches(fold, searching) {
  if (!searching) {
    fold.hidden = false;
    if (fold.dataset.wasOpen) fold.open = fold.dataset.wasOpen === "yes";
    delete fold.dataset.wasOpen;
    return;
  }
  fold.dataset.wasOpen ||= fold.open ? "yes" : "no";
  fold.open = fold.querySelector("[data-text]:not([hidden])") !== null;
  fold.hidden = !fold.open;
}

// Connection form: a changed value makes the test above it stale.
document.addEventListener("input", (event) => {
  const form = event.target.closest("[data-connection]");
  if (!form || event.target.name === "save_as" || event.target.name === "name") return;
  form.querySelectorAll("[data-facts]").forEach((strip) => strip.classList.add("facts-stale"));
  form.querySelectorAll("[data-stale]").forEach((note) => { note.hidden = false; });
});

// Sizes as the server writes them.
function sizeWords(bytes) {
  if (bytes < 1024) return `${bytes} B`;
  let size = bytes;
  let unit = "B";
  for (unit of ["KiB", "MiB", "GiB", "TiB", "PiB"]) {
    size /= 1024;
    if (size < 1023.95) break;
  }
  return `${size.toFixed(1)} ${unit}`;
}
const countWords = (number) => number.toLocaleString("en-US");

// Databases: select all that is shown, the sum of what is ticked, and consent where the name exists.
function setUpDatabases() {
  const form = document.querySelector("form[data-databases]");
  if (!form || form.dataset.ready) return;
  form.dataset.ready = "1";
  const existing = new Set(form.dataset.targetNames.split("\x1f"));
  const rows = [...form.querySelectorAll("tbody tr")];
  const tick = (row) => row.querySelector("[name=chosen]");
  const all = form.querySelector("[data-all]");
  const refresh = () => {
    const chosen = rows.filter((row) => tick(row).checked);
    const bytes = chosen.reduce((sum, row) => sum + Number(row.dataset.bytes || 0), 0);
    form.querySelector("[data-sum]").textContent = chosen.length
      ? `${chosen.length} chosen · ${sizeWords(bytes)}` : "None chosen";
    const shown = rows.filter((row) => !row.hidden && !tick(row).disabled);
    all.checked = shown.length > 0 && shown.every((row) => tick(row).checked);
    all.indeterminate = !all.checked && shown.some((row) => tick(row).checked);
    rows.forEach((row) => refreshConsent(row, existing, tick(row).checked));
  };
  all.hidden = false;
  all.addEventListener("change", () => {
    rows.filter((row) => !row.hidden && !tick(row).disabled).forEach((row) => { tick(row).checked = all.checked; });
    refresh();
  });
  form.addEventListener("input", refresh);
  form.addEventListener("change", refresh);
  refresh();
}
function refreshConsent(row, existing, chosen) {
  const box = row.querySelector("[data-consent-box]");
  const field = row.querySelector("[data-target]");
  const exists = existing.has(field.value.trim());
  if (field.value !== field.defaultValue || row.dataset.renamed) {
    row.dataset.renamed = "1";
    const note = row.querySelector("[data-on-target]");
    note.textContent = exists ? "exists on the target" : "does not exist yet; it is created";
    note.className = exists ? "on-target tone-waiting" : "on-target muted";
  }
  if (!box) return;
  box.toggleAttribute("data-idle", !(chosen && exists));
  box.querySelector("[data-consent-name]").textContent = field.value.trim();
}

// The tree of tables: a ticked schema stands for all of its tables; the sum follows.
function refreshTree(form) {
  const only = form.querySelector("[name=which]:checked").value === "only";
  let bytes = 0;
  let tables = 0;
  form.querySelectorAll(".tree-schema").forEach((schema) => {
    const whole = schema.querySelector("[data-schema]").checked;
    schema.querySelectorAll("[name=table]").forEach((table) => {
      if (whole) table.checked = true;
      else if (table.disabled) table.checked = false;
      table.disabled = whole;
      if (table.checked) { bytes += Number(table.dataset.bytes); tables += 1; }
    });
  });
  const total = { bytes: Number(form.dataset.totalBytes), tables: Number(form.dataset.totalTables) };
  const moving = only ? { bytes, tables } : { bytes: total.bytes - bytes, tables: total.tables - tables };
  form.querySelector("[data-tree-sum]").textContent =
    `${countWords(moving.tables)} of ${countWords(total.tables)} tables move, ${sizeWords(moving.bytes)} of ${sizeWords(total.bytes)}`;
}
document.addEventListener("change", (event) => {
  const form = event.target.closest("[data-tree]");
  if (form) refreshTree(form);
});
document.addEventListener("click", (event) => {
  if (event.target.closest("[data-close]")) event.target.closest("dialog")?.close();
});
document.addEventListener("htmx:afterSwap", (event) => {
  if (event.target.id === "dialog" && !event.target.open && event.target.childElementCount) event.target.showModal();
  if (event.detail.target.id === "test-result") document.getElementById("test-result").scrollIntoView({ block: "nearest" });
  setUpDatabases();
});
setUpDatabases();

// A certificate matters for the verifying modes only; open its fold when one is chosen.
document.addEventListener("change", (event) => {
  if (event.target.name !== "sslmode") return;
  const fold = event.target.form.querySelector("[data-ca]");
  if (fold && event.target.value.startsWith("verify")) fold.open = true;
});

// A kind of server that cannot be followed says so as soon as Online is chosen.
document.addEventListener("change", (event) => {
  if (!["source_type", "mode"].includes(event.target.name)) return;
  const note = document.getElementById("offline-only");
  if (!note) return;
  const online = document.querySelector("[name=mode]:checked")?.value === "Online";
  const why = online ? document.querySelector("[name=source_type]:checked")?.dataset.offlineOnly : "";
  note.hidden = !why;
  note.querySelector("[data-why]").textContent = why || "";
});
