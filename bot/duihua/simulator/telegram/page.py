"""The page at `/`: the chats as they go on, without anything from outside; all text is set as text."""

from __future__ import annotations

POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'"
"""Its Content-Security-Policy."""

PAGE = """<!doctype html>
<html lang="zh"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>duihua · fake Telegram 模拟 Telegram</title>
<style>
body{margin:0 auto;max-width:46rem;padding:1rem;font:15px/1.5 system-ui,sans-serif;background:#e6ebee}
h1{font-size:1rem} h2{font-size:.9rem;margin:1.2rem 0 .3rem}
.m{margin:.25rem 0;padding:.4rem .7rem;border-radius:.7rem;width:fit-content;max-width:85%;
white-space:pre-wrap;overflow-wrap:anywhere;background:#fff}
.u{margin-left:auto;background:#dcf8c6}.gone{opacity:.4;text-decoration:line-through}
.draft{border:1px dashed #888}.note{color:#667;font-size:.8rem}
.b{display:inline-block;margin:.3rem .3rem 0 0;padding:0 .5rem;border:1px solid #39c;border-radius:.4rem;
color:#069;font-size:.85rem}
</style>
<h1>duihua · fake Telegram 模拟 Telegram</h1><div id="all"></div>
<script>
"use strict";
const all = document.getElementById("all"), chats = new Map(), shown = new Map();
let last = 0;
function add(parent, tag, kind, text) {
  const e = document.createElement(tag);
  e.className = kind; e.textContent = text; parent.append(e);
  return e;
}
function room(line) {
  if (!chats.has(line.chat)) {
    const e = add(all, "section", "", "");
    add(e, "h2", "", line.title + " · " + line.chat);
    chats.set(line.chat, e);
  }
  return chats.get(line.chat);
}
function fill(e, line, sign) {
  e.textContent = "";
  add(e, "span", "note", line.who + sign + "\\n");
  add(e, "span", "", line.text || "…");
  for (const row of line.buttons) {
    const r = add(e, "div", "", "");
    for (const label of row) add(r, "span", "b", label);
  }
}
function show(line) {
  const key = line.chat + (line.kind === "draft" ? ":draft:" : ":") + line.message, parent = room(line);
  const old = shown.get(key);
  if (line.kind === "draft") {
    const e = old && old.isConnected ? old : add(parent, "div", "m draft", "");
    fill(e, line, " ⋯"); shown.set(key, e); return;
  }
  if (line.kind === "said") {
    for (const d of parent.querySelectorAll(".draft")) d.remove();
    const e = add(parent, "div", line.bot ? "m" : "m u", "");
    fill(e, line, ""); shown.set(key, e); return;
  }
  if (line.kind === "edited" && old) { fill(old, line, " ✎"); return; }
  if (line.kind === "deleted" && old) { old.className += " gone"; return; }
  add(parent, "div", "note", line.who + ": " + line.kind + " " + line.text);
}
async function poll() {
  try {
    const lines = await (await fetch("/fake/events?after=" + last)).json();
    for (const line of lines) { last = line.number; show(line); }
  } catch (e) { /* it comes back, or it has ended */ }
  setTimeout(poll, 700);
}
poll();
</script>
"""
