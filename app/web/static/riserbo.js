// Makes pages livelier; every one of them works without it. No markup is ever made from text (Trusted Types: none).

const page = document.querySelector("[data-stream]");
const all = (selector, root = document) => Array.from(root.querySelectorAll(selector));

/* Regions: parts of the page that the server draws again. The stream only says "look"; the page is the truth. */

function fetchPage(address) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest(); // parses a document without any sink that takes text as markup
    request.open("GET", address);
    request.setRequestHeader("X-Riserbo-Automatic", "1"); // a page that looks by itself is no sign of life
    request.responseType = "document";
    request.onload = () => resolve(request);
    request.onerror = reject;
    request.send();
  });
}

function swapRegion(old, fresh) {
  if (old.isEqualNode(fresh) || old.contains(document.activeElement)) return;
  const opened = all("details", old).map((box) => box.open);
  const copy = document.importNode(fresh, true);
  all("details", copy).forEach((box, index) => { box.open = Boolean(opened[index]); });
  old.replaceWith(copy);
}

function showStanding(fresh) { // what the form says of each kind of answer; the form itself keeps what was typed
  const old = document.querySelector(`[data-class-state="${fresh.dataset.classState}"]`);
  if (!old) return;
  old.textContent = fresh.textContent;
  old.closest("label").classList.toggle("above", fresh.closest("label").matches(".above"));
}

async function look(address) {
  const waited = document.querySelector(".step-up") !== null;
  const answer = await fetchPage(address);
  const here = new URL(address, location.href);
  const moved = new URL(answer.responseURL || here).pathname !== here.pathname;
  const regions = answer.response ? all("[data-region]", answer.response) : [];
  if (moved || regions.length === 0 || answer.status !== 200) { location.assign(address); return; }
  for (const fresh of regions) {
    const old = document.querySelector(`[data-region="${fresh.dataset.region}"]`);
    if (old) swapRegion(old, fresh);
  }
  for (const part of all("[data-passing]")) { // a room that was closed takes no more messages
    if (!answer.response.querySelector(`[data-passing="${part.dataset.passing}"]`)) part.remove();
  }
  const list = document.querySelector("[data-messages]");
  for (const item of all("[data-messages] > [data-n]", answer.response)) {
    if (list && !list.querySelector(`[data-n="${item.dataset.n}"]`)) list.append(document.importNode(item, true));
  }
  all("[data-class-state]", answer.response).forEach(showStanding);
  if (!waited && document.querySelector(".room .step-up")) showLast();
  if (answer.response.title) document.title = answer.response.title;
}

function lookEvery() {
  const seconds = all("[data-every]").map((part) => Number(part.dataset.every));
  if (seconds.length === 0) return;
  setTimeout(async () => {
    if (!document.hidden) await look(location.href).catch(() => {});
    lookEvery();
  }, Math.min(...seconds) * 1000);
}

/* The room: messages by event stream, numbered; what is already on the page is not drawn twice. */

function clockTime(text) {
  const wanted = { hour: "2-digit", minute: "2-digit", hour12: false, timeZone: page.dataset.zone };
  return new Intl.DateTimeFormat(document.documentElement.lang, wanted).format(new Date(text));
}

function className(name) {
  const choice = document.querySelector(`[name="data_class"][value="${name}"]`);
  return choice ? choice.closest("label").querySelector("strong").textContent : "";
}

function drawMessage(message) {
  const list = page.querySelector("[data-messages]");
  if (list.querySelector(`[data-n="${Number(message.n)}"]`)) return;
  const made = document.getElementById("message-template").content.cloneNode(true);
  const item = made.querySelector("li");
  item.dataset.n = message.n;
  item.classList.toggle("mine", Boolean(message.mine));
  item.querySelector(".text").textContent = message.text;
  const time = item.querySelector("time");
  time.dateTime = message.at;
  time.textContent = clockTime(message.at);
  item.querySelector(".who-name").textContent = message.name;
  const tag = item.querySelector(".class-tag");
  tag.textContent = message.data_class ? className(message.data_class) : "";
  tag.hidden = tag.textContent === "";
  list.append(made);
  showSeen(0);
  showLast();
}

function showSeen(number) {
  const own = all("[data-messages] > .mine", page);
  const last = own.length ? Number(own[own.length - 1].dataset.n) : Infinity;
  page.querySelector("[data-seen]").hidden = number < last;
}

function showLast() {
  const box = page.querySelector(".messages");
  if (box.scrollHeight > box.clientHeight + 1) box.scrollTop = box.scrollHeight;
  else if (page.matches(".room")) {
    const end = page.querySelector(".step-up") || page.querySelector("[data-seen]:not([hidden])") || box;
    end.scrollIntoView({ block: "end" });
  }
}

let live = () => false;

function listen() {
  const state = page.querySelector("[data-live-state]");
  const stream = new EventSource(`${page.dataset.stream}?after=${page.dataset.cursor}`);
  const again = () => look(page.dataset.page).catch(() => {});
  stream.onopen = () => { if (state) { state.textContent = state.dataset.on; state.classList.add("on"); } };
  stream.onerror = () => {
    if (state) { state.textContent = state.dataset.off; state.classList.remove("on"); }
    if (stream.readyState === EventSource.CLOSED) setTimeout(again, 3000);
  };
  stream.addEventListener("message", (event) => drawMessage(JSON.parse(event.data)));
  stream.addEventListener("read", (event) => showSeen(Number(JSON.parse(event.data).n)));
  stream.addEventListener("look", again);
  stream.addEventListener("end", (event) => {
    // A server that stops sends everybody to the next one: the browser goes on there by itself, behind the last number.
    if (!["closing", "slow_reader"].includes(JSON.parse(event.data).code)) location.assign(page.dataset.page);
  });
  live = () => stream.readyState === EventSource.OPEN;
  addEventListener("pagehide", () => stream.close());
}

/* Sending without leaving the page. The key makes a repeated try harmless; it changes only once the message is in. */

function showSendError(form, text) {
  const place = form.querySelector("[data-send-error]") || form.parentElement.querySelector("[data-send-error]");
  place.textContent = text;
  place.hidden = text === "";
}

async function send(form) {
  const answer = await fetch(form.action, {
    method: "POST",
    body: new URLSearchParams(new FormData(form)),
    headers: { Accept: "application/json" },
    redirect: "manual",
  });
  if (answer.type === "opaqueredirect") return { stored: true, shown: false };
  if (answer.ok) return { stored: true, shown: live() && (await answer.json().catch(() => ({}))).n !== null };
  if (answer.status === 401) { location.assign(page.dataset.page); return {}; }
  const problem = await answer.json().catch(() => ({}));
  return { refused: problem.detail || form.dataset.failed };
}

function sendBySelf(form) {
  const text = form.querySelector("textarea");
  const button = form.querySelector("button[type=submit]");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (button.getAttribute("aria-disabled") === "true") return;
    button.setAttribute("aria-disabled", "true");
    const outcome = await send(form).catch(() => ({ refused: form.dataset.failed }));
    button.removeAttribute("aria-disabled");
    showSendError(form, outcome.refused || "");
    if (!outcome.stored) return;
    text.value = "";
    form.elements.idempotency_key.value = crypto.randomUUID();
    text.focus();
    restIdle();
    if (!outcome.shown) look(page.dataset.page).catch(() => {});
  });
  text.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });
}

/* The idle lock, counted down for the eye only: the server decides. Typing counts as being here. */

const idle = { ends: 0, told: 0 };

function restIdle() {
  idle.ends = performance.now() + Number(page.dataset.idleSeconds) * 1000;
  idle.told = performance.now();
}

async function stillHere() {
  const answer = await fetch(page.dataset.page, { redirect: "manual" });
  if (answer.ok) restIdle(); else location.assign(page.dataset.page);
}

function watchIdle() {
  const box = document.querySelector("[data-idle]");
  const words = box.querySelector("[data-idle-text]");
  idle.ends = performance.now() + Number(page.dataset.idleLeft) * 1000;
  box.querySelector("[data-stay]").addEventListener("click", (event) => {
    event.preventDefault();
    stillHere().catch(() => {});
  });
  page.addEventListener("input", () => {
    if (performance.now() - idle.told < 60000) return;
    idle.told = performance.now();
    stillHere().catch(() => {});
  });
  let shown = "";
  setInterval(() => {
    const left = Math.ceil((idle.ends - performance.now()) / 1000);
    box.hidden = left > 60;
    if (left <= -2) { location.assign(page.dataset.page); return; }
    const rounded = Math.max(left > 20 ? Math.ceil(left / 20) * 20 : Math.ceil(left / 5) * 5, 0); // a reader is not told each second
    const time = `0:${String(rounded).padStart(2, "0")}`.replace("0:60", "1:00");
    if (!box.hidden && time !== shown) words.textContent = words.dataset.soon.replace("{time}", time);
    shown = time;
  }, 1000);
}

/* Small services of single pages. */

async function copy(button, text) {
  await navigator.clipboard.writeText(text);
  const before = button.textContent;
  button.textContent = button.dataset.done;
  setTimeout(() => { button.textContent = before; }, 2500);
}

function inAppBrowser() {
  return /FBAN|FBAV|FB_IAB|Instagram|Twitter|TikTok|musical_ly|BytedanceWebview|Snapchat|LinkedInApp|Line\/|; wv\)/.test(navigator.userAgent);
}

all("[data-copy]").forEach((button) => {
  button.hidden = !navigator.clipboard;
  button.addEventListener("click", () => copy(button, document.getElementById(button.dataset.copy).textContent.trim()));
});
all("[data-copy-address]").forEach((button) => button.addEventListener("click", () => copy(button, location.href)));
if (inAppBrowser()) all("[data-in-app]").forEach((box) => { box.hidden = false; });

if (page) {
  showLast();
  listen();
  all("form[data-send]").forEach(sendBySelf);
  if (page.dataset.idleSeconds) watchIdle();
}
lookEvery();
