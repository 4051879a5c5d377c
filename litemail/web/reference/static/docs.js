"use strict";

// The language of samples, remembered.
const LANGUAGE = "litemail-docs-language";

function rememberLanguage() {
  const radios = document.querySelectorAll("input[name=language]");
  let known = null;
  try { known = localStorage.getItem(LANGUAGE); } catch { /* storage may be switched off */ }
  for (const radio of radios) {
    if (radio.value === known) radio.checked = true;
    radio.addEventListener("change", () => {
      try { localStorage.setItem(LANGUAGE, radio.value); } catch { /* as above */ }
    });
  }
}

function addCopyButtons() {
  for (const block of document.querySelectorAll(".sample")) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "copy";
    button.textContent = "Copy";
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(block.querySelector("code").textContent);
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = "Copy"; }, 1500);
    });
    block.append(button);
  }
}

// Narrow screens begin with the contents folded; without scripts they are open everywhere.
function foldMenu() {
  const menu = document.querySelector(".menu");
  if (matchMedia("(max-width: 48rem)").matches) menu.open = false;
  document.querySelector(".side [aria-current]")?.scrollIntoView({ block: "nearest" });
  window.scrollTo(0, window.scrollY);
}

// A link to a field opens what it lies in.
function openTarget() {
  const target = document.getElementById(location.hash.slice(1));  // anchors are plain ASCII
  for (let at = target; at; at = at.parentElement?.closest("details:not([open])")) {
    if (at.matches("details")) at.open = true;
  }
  target?.scrollIntoView();
}

// Search: what the server finds for what is typed; arrows choose, Enter opens, Escape closes.
function search() {
  const input = document.getElementById("q");
  const list = document.getElementById("found");
  let asked = 0;
  let chosen = -1;

  document.addEventListener("keydown", (event) => {
    const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(document.activeElement?.tagName ?? "");
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      input.focus();
      input.select();
    }
  });

  function choose(index) {
    const links = [...list.querySelectorAll("a")];
    if (!links.length) return;
    chosen = (index + links.length) % links.length;
    links.forEach((link, at) => link.setAttribute("aria-selected", String(at === chosen)));
    links[chosen].scrollIntoView({ block: "nearest" });
    input.setAttribute("aria-activedescendant", links[chosen].id);
  }

  function close() {
    list.hidden = true;
    chosen = -1;
    input.removeAttribute("aria-activedescendant");
  }

  function show(found) {
    list.replaceChildren();
    chosen = -1;
    found.forEach((each, at) => {
      const link = document.createElement("a");
      link.id = `found-${at}`;
      link.href = each.url;
      link.setAttribute("role", "option");
      link.setAttribute("aria-selected", "false");
      link.append(`${each.title} `);
      const kind = document.createElement("span");
      kind.className = "kind";
      kind.textContent = each.kind;
      const about = document.createElement("small");
      about.textContent = each.about;
      link.append(kind, about);
      list.append(link);
    });
    if (!found.length) {
      const nothing = document.createElement("p");
      nothing.textContent = "Nothing found.";
      list.append(nothing);
    }
    list.hidden = false;
  }

  input.addEventListener("input", async () => {
    const mine = ++asked;
    const words = input.value.trim();
    if (!words) { close(); return; }
    const response = await fetch(`/docs/search.json?q=${encodeURIComponent(words)}`);
    if (mine === asked && response.ok) show((await response.json()).data);
  });
  input.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown") { event.preventDefault(); choose(chosen + 1); }
    else if (event.key === "ArrowUp") { event.preventDefault(); choose(chosen - 1); }
    else if (event.key === "Escape") close();
    else if (event.key === "Enter" && !list.hidden && list.querySelector("a")) {
      event.preventDefault();
      list.querySelectorAll("a")[Math.max(chosen, 0)].click();
    }
  });
  document.addEventListener("click", (event) => { if (!event.target.closest(".search")) close(); });
}

// Try it: sends the request of the form to this server. The key stays in this tab.
const CREDENTIALS = ["key", "token"];
const SHOWN_AT_MOST = 200000;

function tryIt() {
  const section = document.querySelector(".try");
  if (!section) return;
  const form = section.querySelector("form");
  const stop = form.querySelector(".stop");
  const mode = section.querySelector(".mode");
  section.hidden = false;

  function sayMode() {
    const key = form.elements.key?.value ?? "";
    const token = form.elements.token?.value ?? "";
    const live = key.startsWith("lm_live_");
    mode.classList.toggle("live", live);
    if (live) mode.textContent = "Live: this changes real things and may spend real money.";
    else if (key.startsWith("lm_test_")) mode.textContent = "Sandbox: nothing leaves this installation.";
    else if (token) mode.textContent = "As the person whose token this is; its workspace says whether it is live.";
    else mode.textContent = key ? "This is not a key: those begin with lm_test_ or lm_live_." : "Without a credential.";
  }

  for (const name of CREDENTIALS) {
    const field = form.elements[name];
    if (!field) continue;
    field.value = sessionStorage.getItem(`litemail-docs-${name}`) ?? "";
    field.addEventListener("input", () => {
      sessionStorage.setItem(`litemail-docs-${name}`, field.value);
      sayMode();
    });
  }
  sayMode();

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const control = new AbortController();
    stop.hidden = false;
    stop.onclick = () => control.abort();
    const outcome = section.querySelector(".outcome");
    const content = section.querySelector(".content");
    const headers = section.querySelector(".headers");
    section.querySelector(".answer").hidden = false;
    outcome.textContent = "Sending...";
    content.textContent = headers.textContent = "";
    const began = performance.now();
    try {
      const response = await fetch(address(section, form), request(section, form, control.signal));
      const took = Math.round(performance.now() - began);
      outcome.textContent = `${response.status} ${response.statusText} after ${took} ms`;
      headers.textContent = [...response.headers].map(([name, value]) => `${name}: ${value}`).join("\n");
      await show(response, content);
    } catch (error) {
      outcome.textContent = control.signal.aborted ? "Stopped." : `No answer: ${error.message}`;
    } finally {
      stop.hidden = true;
    }
  });
}

function address(section, form) {
  let path = section.dataset.path;
  const query = new URLSearchParams();
  for (const field of form.elements) {
    const [place, name] = field.name.split(/\.(.*)/s);
    if (place === "path") path = path.replace(`{${name}}`, encodeURIComponent(field.value));
    if (place === "query" && field.value !== "") query.append(name, field.value);
  }
  return query.size ? `${path}?${query}` : path;
}

function request(section, form, signal) {
  const headers = {};
  if (form.elements.key?.value) headers["x-api-key"] = form.elements.key.value;
  if (form.elements.token?.value) headers.authorization = `Bearer ${form.elements.token.value}`;
  const body = form.elements.body?.value;
  if (body) headers["content-type"] = section.dataset.type;
  return { method: section.dataset.method, headers, body: body || undefined, signal, credentials: "omit", cache: "no-store" };
}

async function show(response, content) {
  if ((response.headers.get("content-type") ?? "").includes("json")) {
    const text = await response.text();
    try { content.textContent = JSON.stringify(JSON.parse(text), null, 2); } catch { content.textContent = text; }
    return;
  }
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  while (reader && content.textContent.length < SHOWN_AT_MOST) {
    const { done, value } = await reader.read();
    if (done) break;
    content.textContent += value;
  }
}

rememberLanguage();
addCopyButtons();
foldMenu();
openTarget();
addEventListener("hashchange", openTarget);
search();
tryIt();
