// The two things that need a script: the "n new" line, and single-key shortcuts. Pages work without.
"use strict";

const NEWS_EVERY_MS = 5000;

function rows() {
  return [...document.querySelectorAll("[data-row] a.title")];
}

function step(by) {
  const links = rows();
  if (links.length === 0) return;
  const at = links.indexOf(document.activeElement?.closest("[data-row]")?.querySelector("a.title"));
  const next = at === -1 ? 0 : Math.min(Math.max(at + by, 0), links.length - 1);
  links[next].focus();
}

function claim() {
  const here = document.activeElement?.closest("[data-row]") ?? document.querySelector("main");
  if (!here.matches("[data-row]") && rows().length > 0) return;
  here.querySelector("[data-claim]")?.click();
}

const SHORTCUTS = {
  j: () => step(1),
  k: () => step(-1),
  c: claim,
  "/": () => document.querySelector("[data-find]")?.focus(),
  q: () => location.assign("/queue"),
  "?": () => location.assign("/help"),
};

function typing(target) {
  return target.closest("input, select, textarea, [contenteditable]") !== null;
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
  const act = SHORTCUTS[event.key];
  if (act === undefined) return;
  event.preventDefault();
  act();
}

// New is what the list would show before the last alert that is still on this page; what only
// moved up from the next page is not.
function countNew(line, listed) {
  const shown = new Set([...document.querySelectorAll("[data-row]")].map((row) => row.dataset.row));
  const fresh = listed.filter((id) => !shown.has(id));
  if (!("more" in line.dataset)) return fresh.length;
  const last = listed.findLastIndex((id) => shown.has(id));
  return last === -1 ? fresh.length : listed.slice(0, last).filter((id) => !shown.has(id)).length;
}

function showNews(line, count) {
  if (count === Number(line.dataset.count ?? 0)) return;
  line.dataset.count = String(count);
  line.replaceChildren();
  if (count === 0) return;
  const link = document.createElement("a");
  link.href = line.dataset.fresh;
  link.textContent = `${count} new ${count === 1 ? "alert" : "alerts"} – show`;
  line.append(link);
}

async function askNews(line) {
  if (document.hidden) return;
  let listed;
  try {
    const answer = await fetch(line.dataset.news, { headers: { accept: "application/json" } });
    if (!answer.ok || answer.redirected) return;
    listed = (await answer.json()).alerts;
  } catch {
    return; // the network is away: the next round asks again
  }
  showNews(line, countNew(line, listed));
}

const news = document.querySelector("[data-news]");
if (news !== null) {
  setInterval(() => askNews(news), NEWS_EVERY_MS);
  document.addEventListener("visibilitychange", () => askNews(news));
}
if (document.documentElement.dataset.shortcuts === "on") document.addEventListener("keydown", onKey);
