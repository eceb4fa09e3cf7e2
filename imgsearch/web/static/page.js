// Comfort on top of pages that work without it: more photos while scrolling, pictures that are
// dropped or pasted, keys, the selection, zoom.
"use strict";

document.documentElement.classList.add("script");
const say = (text) => { document.getElementById("status").textContent = text; };
const grids = () => [...document.querySelectorAll("section .grid")];
const photos = () => [...document.querySelectorAll("section .photo .open")];

// -- the next photos, as the end of the page comes near

const watcher = new IntersectionObserver((entries) => {
  for (const entry of entries) if (entry.isIntersecting) loadNext(entry.target);
}, { rootMargin: "1200px" });

async function loadNext(paragraph) {
  const link = paragraph.querySelector("a");
  watcher.unobserve(paragraph);
  try {
    const answer = await fetch(link.href, { headers: { "X-Fragment": "grid" } });
    if (!answer.ok) return;
    const parsed = new DOMParser().parseFromString(await answer.text(), "text/html");
    grids().at(-1).append(...parsed.querySelectorAll(".grid > li"));
    const following = parsed.querySelector(".next");
    paragraph.replaceWith(...(following ? [following] : []));
    if (following) watcher.observe(following);
  } catch {
    watcher.observe(paragraph); // the network is away: the link is still there
  }
}
document.querySelectorAll(".next").forEach((paragraph) => watcher.observe(paragraph));

// -- pictures that are dropped or pasted

const upload = document.querySelector("form.upload");
function show(files) {
  const pictures = [...files].filter((file) => file.type.startsWith("image/") || /\.(hei[cf]|dng|cr2|nef|arw)$/i.test(file.name));
  if (!upload || !pictures.length) return false;
  const carrier = new DataTransfer();
  pictures.forEach((file) => carrier.items.add(file));
  upload.querySelector("input[type=file]").files = carrier.files;
  say("Uploading");
  upload.submit();
  return true;
}
if (upload) {
  upload.querySelector("button").hidden = true;
  upload.querySelector("input[type=file]").addEventListener("change", () => upload.submit());
  addEventListener("dragover", (event) => { event.preventDefault(); document.body.classList.add("dropping"); });
  addEventListener("dragleave", (event) => { if (!event.relatedTarget) document.body.classList.remove("dropping"); });
  addEventListener("drop", (event) => {
    event.preventDefault();
    document.body.classList.remove("dropping");
    show(event.dataTransfer.files);
  });
  addEventListener("paste", (event) => { if (show(event.clipboardData.files)) event.preventDefault(); });
}

// -- the selection

const bar = document.querySelector(".selection-bar");
function count() {
  if (!bar) return;
  const ticked = document.querySelectorAll(".pick input:checked").length;
  bar.hidden = ticked === 0;
  bar.querySelector(".count").textContent = `${ticked} selected`;
}
addEventListener("change", (event) => { if (event.target.matches(".pick input")) count(); });
addEventListener("reset", () => setTimeout(count));
addEventListener("pageshow", count);

// -- the large view

document.querySelectorAll("button.copy").forEach((button) => {
  if (!navigator.clipboard) button.hidden = true; // over plain HTTP from another machine
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(button.dataset.copy);
    say("Copied");
    button.textContent = "Copied";
  });
});
const zoom = document.querySelector("a.zoom");
let leaving = false; // a rectangle was drawn
zoom?.addEventListener("click", (event) => {
  event.preventDefault();
  if (leaving) return;
  const picture = zoom.querySelector("img");
  if (zoom.closest(".stage").classList.toggle("zoomed")) picture.src = zoom.href;
});

// -- a rectangle that is drawn on the large picture: photos like that part of it

const large = zoom?.querySelector("img");
let begun = null, frame = null;
function drawn(from, to) { // as left, top, width, height in the window
  const all = large.getBoundingClientRect();
  const inside = (value, least, most) => Math.min(Math.max(value, least), most);
  const x = [from.clientX, to.clientX].map((each) => inside(each, all.left, all.right)).sort((a, b) => a - b);
  const y = [from.clientY, to.clientY].map((each) => inside(each, all.top, all.bottom)).sort((a, b) => a - b);
  return [x[0], y[0], x[1] - x[0], y[1] - y[0]];
}
function partOf([left, top, width, height]) { // in pixels of the photo, as an address has it
  const all = large.getBoundingClientRect();
  const across = large.getAttribute("width") / all.width, down = large.getAttribute("height") / all.height;
  const corner = [(left - all.left) * across, (top - all.top) * down].map(Math.floor);
  return [...corner, ...[width * across, height * down].map((each) => Math.max(1, Math.floor(each)))].join(",");
}
zoom?.addEventListener("dragstart", (event) => event.preventDefault());
large?.addEventListener("pointerdown", (event) => {
  if (event.button || event.pointerType === "touch" || zoom.closest(".stage").classList.contains("zoomed")) return;
  begun = event;
  large.setPointerCapture(event.pointerId);
});
large?.addEventListener("pointermove", (event) => {
  if (!begun) return;
  if (!frame) {
    frame = document.createElement("span");
    frame.className = "part";
    document.body.append(frame);
  }
  const sides = drawn(begun, event);
  ["left", "top", "width", "height"].forEach((name, n) => { frame.style[name] = `${sides[n]}px`; });
});
for (const end of ["pointerup", "pointercancel"]) large?.addEventListener(end, (event) => {
  const sides = begun && end === "pointerup" ? drawn(begun, event) : [0, 0, 0, 0];
  begun = null;
  frame?.remove();
  frame = null;
  if (Math.min(sides[2], sides[3]) < 12) return; // a click
  leaving = true;
  const address = new URL(document.querySelector(".actions a.similar").href);
  const pairs = [...address.searchParams].map(([name, value]) => [name === "id" ? `id@${partOf(sides)}` : name, value]);
  address.search = new URLSearchParams(pairs);
  location.assign(address);
});
addEventListener("pageshow", () => { leaving = false; });
document.querySelectorAll("button.reveal").forEach((button) => button.addEventListener("click", async () => {
  const answer = await fetch(button.dataset.address, { method: "POST" });
  say(answer.ok ? "Shown in the file manager" : "No file manager could be opened");
}));
document.querySelectorAll("[data-retry]").forEach((note) => {
  note.querySelector(".by-script").hidden = false;
  setTimeout(() => location.reload(), 1000 * note.dataset.retry);
});

// -- keys

function step(direction) {
  const all = photos();
  const now = all.indexOf(document.activeElement);
  if (now < 0) return all[0];
  if (direction === "ArrowRight") return all[now + 1];
  if (direction === "ArrowLeft") return all[now - 1];
  const from = all[now].getBoundingClientRect();
  const middle = from.left + from.width / 2;
  const below = direction === "ArrowDown";
  const rows = all.filter((each) => {
    const box = each.getBoundingClientRect();
    return below ? box.top > from.top + 5 : box.top < from.top - 5;
  });
  const tops = rows.map((each) => each.getBoundingClientRect().top);
  const row = below ? Math.min(...tops) : Math.max(...tops);
  return rows.filter((_, n) => Math.abs(tops[n] - row) < 5)
    .sort((a, b) => Math.abs(centre(a) - middle) - Math.abs(centre(b) - middle))[0];
}
const centre = (element) => { const box = element.getBoundingClientRect(); return box.left + box.width / 2; };

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const typing = event.target.matches("input[type=search], input[type=password], textarea, select");
  if (event.key === "Escape") {
    if (typing) event.target.blur(); else document.getElementById("back")?.click();
    return;
  }
  if (typing) return;
  const focused = document.activeElement.closest?.(".photo");
  const large = document.querySelector("article.large");
  if (event.key === "/") { event.preventDefault(); document.getElementById("typed")?.focus(); }
  else if (event.key === "?") location.href = "/help";
  else if (event.key === "s") (focused ?? large)?.querySelector("a.similar")?.click();
  else if (event.key === "x" && focused) { focused.querySelector(".pick input").click(); }
  else if (event.key.startsWith("Arrow")) {
    if (large) {
      const link = { ArrowLeft: "prev", ArrowRight: "next" }[event.key];
      if (link) document.querySelector(`a[rel=${link}].step`)?.click();
      return;
    }
    const target = step(event.key);
    if (target) { event.preventDefault(); target.focus(); target.scrollIntoView({ block: "nearest" }); }
  }
});
