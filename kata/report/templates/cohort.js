"use strict";
/* The cohort's table: sorted, filtered and searched here, and of its rows only those in sight are made. Every text is
   set as text; nothing is ever read as markup. */
const data = JSON.parse(document.getElementById("data").textContent);
const ROW = 34, BEYOND = 8;
const SIGNS = { m: ["✓", "met"], u: ["✗", "unmet"], s: ["–", "not judged"], i: ["?", "inconclusive"], " ": ["", "not asked"] };
const STATES = { g: "graded", i: "inconclusive", w: "waiting", m: "missing", u: "unreadable" };
const SHORT = { i: "?", w: "…", m: "·", u: "!" };
const at = id => document.getElementById(id);
const box = at("box"), table = at("table"), search = at("search"), filter = at("filter"), picker = at("exercise");
const head = table.tHead, body = table.tBodies[0];
const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });
const everyone = data.people.map((_, index) => index);
const places = new Map(data.people.map(([id], index) => [id, index]));
let exercise = data.exercises.length === 1 ? 0 : -1;
let columns = [], rows = [], sorted = { column: 0, down: false }, current = { row: 0, column: 0 };

function make(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

/* All points look like what is met; below that in five shades. */
function shade(share) {
  return share === 1 ? "m" : `fifth${Math.floor(5 * share)}`;
}

/* How one person's mark in one exercise is shown: its text, what it means, its class, and where its report is. */
function score(each, person) {
  const state = each.states[person], graded = state === "g";
  const words = graded ? `${each.scores[person]} of ${each.points}` : STATES[state];
  const late = each.late[person] === "1";
  return {
    text: (graded ? String(each.scores[person]) : SHORT[state]) + (late ? " L" : ""),
    words: words + (late ? ", late" : ""),
    className: graded ? shade(each.scores[person] / each.points) : state === "i" ? "i" : "none",
    href: graded || state === "i" ? `${data.folder}/${each.id}/${data.people[person][2]}.html` : "",
  };
}

function outcome(each, place, person) {
  const letter = each.outcomes[person][place] || "";
  const [text, words] = SIGNS[letter] || ["", STATES[each.states[person]]];
  return { text, words, className: letter.trim() || "none", href: "" };
}

function remarks(each, person) {
  const alike = (each.same[person] || []).map(id => data.people[places.get(id)]?.[1] ?? id);
  return [each.notes[person], alike.length ? `the same files as ${alike.join(", ")}` : ""].filter(Boolean).join("; ");
}

function total(person) {
  return data.exercises.reduce((sum, each) => sum + (each.scores[person] ?? 0), 0);
}

const ORDER = { u: 0, i: 1, s: 2, " ": 3, m: 4 };

function columnsNow() {
  const people = { title: "Person", className: "person", value: person => data.people[person][1] };
  const marks = each => ({
    title: each.id, words: each.title, value: person => each.scores[person], cell: person => score(each, person),
  });
  if (exercise < 0) {
    const points = data.exercises.reduce((sum, each) => sum + each.points, 0);
    const sum = { title: "Total", words: `of ${points}`, value: total, cell: person => ({ text: String(total(person)), words: `of ${points}`, className: "", href: "" }) };
    return [people, sum, ...data.exercises.map(each => ({ ...marks(each), className: "narrow" }))];
  }
  const each = data.exercises[exercise];
  const requirements = each.requirements.map(([id, text, points], place) => ({
    title: id, words: `${text} (${points})`, className: "narrow",
    value: person => ORDER[each.outcomes[person][place]] ?? null, cell: person => outcome(each, place, person),
  }));
  const notes = {
    title: "Notes", className: "left", value: person => remarks(each, person) || null,
    cell: person => ({ text: remarks(each, person), words: remarks(each, person), className: "left", href: "" }),
  };
  return [people, { ...marks(each), title: "Score" }, ...requirements, notes];
}

const TESTS = {
  unmet: (each, person) => each.states[person] === "g" && each.scores[person] < each.points,
  met: (each, person) => each.states[person] === "g" && each.scores[person] === each.points,
  late: (each, person) => each.late[person] === "1",
  missing: (each, person) => each.states[person] === "m",
  inconclusive: (each, person) => each.states[person] === "i",
  unreadable: (each, person) => each.states[person] === "u",
  waiting: (each, person) => each.states[person] === "w",
  same: (each, person) => person in each.same,
};

function choose() {
  const wanted = search.value.trim().toLowerCase(), test = TESTS[filter.value];
  const asked = exercise < 0 ? data.exercises : [data.exercises[exercise]];
  const kept = everyone.filter(person =>
    (!wanted || data.people[person].slice(0, 2).some(name => name.toLowerCase().includes(wanted)))
    && (!test || asked.some(each => test(each, person))));
  const value = columns[sorted.column].value, values = new Map(kept.map(person => [person, value(person)]));
  const sign = sorted.down ? -1 : 1;
  rows = kept.sort((one, other) => {
    const a = values.get(one), b = values.get(other);
    if (a === null || b === null) return (a === null) - (b === null) || one - other;
    return sign * (typeof a === "string" ? collator.compare(a, b) : a - b) || one - other;
  });
  current = { row: 0, column: Math.min(current.column, columns.length - 1) };
  box.scrollTop = 0;
  at("shown").textContent = `${rows.length} of ${everyone.length} people`;
  table.setAttribute("aria-rowcount", rows.length + 1);
  draw();
}

function drawHead() {
  const row = make("tr");
  columns.forEach((column, place) => {
    const cell = make("th", column.className), button = make("button", "", column.title);
    cell.scope = "col";
    cell.setAttribute("aria-sort", place !== sorted.column ? "none" : sorted.down ? "descending" : "ascending");
    button.type = "button";
    button.title = column.words || column.title;
    button.addEventListener("click", () => sort(place));
    cell.append(button);
    row.append(cell);
  });
  head.replaceChildren(row);
}

function spacer(height) {
  const row = make("tr", "spacer"), cell = make("td");
  cell.colSpan = columns.length;
  cell.style.height = `${height}px`;
  row.setAttribute("aria-hidden", "true");
  row.append(cell);
  return row;
}

function drawRow(place) {
  const person = rows[place], row = make("tr", place === current.row ? "here" : "");
  row.setAttribute("aria-rowindex", place + 2);
  columns.forEach((column, index) => {
    const made = make(index ? "td" : "th", column.className === "narrow" ? "" : column.className);
    if (index) {
      const { text, words, className, href } = column.cell(person);
      if (className) made.classList.add(className);
      made.title = words;
      made.setAttribute("aria-label", words);
      const inside = href ? make("a", "", text) : document.createTextNode(text);
      if (href) { inside.href = href; inside.tabIndex = -1; }
      made.append(inside);
    } else {
      made.scope = "row";
      const [id, name] = data.people[person];
      made.append(name);
      if (id !== name) made.append(make("span", "soft", id));
      made.title = id === name ? id : `${name}, ${id}`;
    }
    if (place === current.row && index === current.column) { made.classList.add("current"); made.id = "current"; }
    row.append(made);
  });
  return row;
}

function draw(all = false) {
  const first = all ? 0 : Math.max(0, Math.floor(box.scrollTop / ROW) - BEYOND);
  const last = all ? rows.length : Math.min(rows.length, first + Math.ceil(box.clientHeight / ROW) + 2 * BEYOND);
  const shown = [];
  for (let place = first; place < last; place++) shown.push(drawRow(place));
  body.replaceChildren(spacer(first * ROW), ...shown, spacer((rows.length - last) * ROW));
  table.setAttribute("aria-activedescendant", "current");
}

function sort(column) {
  sorted = { column, down: column === sorted.column ? !sorted.down : false };
  drawHead();
  choose();
}

function show(place) {
  exercise = place;
  picker.value = String(place);
  sorted = { column: 0, down: false };
  columns = columnsNow();
  drawHead();
  choose();
}

function move(down, right) {
  current.row = Math.max(0, Math.min(rows.length - 1, current.row + down));
  current.column = Math.max(0, Math.min(columns.length - 1, current.column + right));
  const top = current.row * ROW, room = box.clientHeight - head.offsetHeight - ROW;
  if (top < box.scrollTop) box.scrollTop = top;
  else if (top > box.scrollTop + room) box.scrollTop = top - room;
  draw();
  const cell = at("current"), fixed = head.rows[0].cells[0].offsetWidth;
  if (!cell || !current.column) { if (!current.column) box.scrollLeft = 0; return; }
  if (cell.offsetLeft - fixed < box.scrollLeft) box.scrollLeft = cell.offsetLeft - fixed;
  else if (cell.offsetLeft + cell.offsetWidth > box.scrollLeft + box.clientWidth) box.scrollLeft = cell.offsetLeft + cell.offsetWidth - box.clientWidth;
}

function open() {
  const link = at("current")?.querySelector("a") || at("current")?.parentElement.querySelector("a");
  if (link) location.href = link.href;
}

const page = () => Math.max(1, Math.floor(box.clientHeight / ROW) - 2);
const KEYS = {
  ArrowDown: () => move(1, 0), ArrowUp: () => move(-1, 0), ArrowLeft: () => move(0, -1), ArrowRight: () => move(0, 1),
  PageDown: () => move(page(), 0), PageUp: () => move(-page(), 0), Home: () => move(-Infinity, 0), End: () => move(Infinity, 0),
  Enter: open, s: () => sort(current.column),
};

table.addEventListener("keydown", event => {
  if (event.target !== table || event.ctrlKey || event.metaKey || event.altKey || !(event.key in KEYS)) return;
  event.preventDefault();
  KEYS[event.key]();
});

document.addEventListener("keydown", event => {
  if (event.key === "Escape") {
    search.value = filter.value = "";
    choose();
    table.focus();
    return;
  }
  const typing = event.target.matches("input, select, textarea");
  const wanted = { "/": search, f: filter, e: picker, t: table }[event.key];
  if (typing || !wanted || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  wanted.focus();
});

data.exercises.forEach((each, place) => picker.append(new Option(`${each.id}: requirements`, String(place))));
if (data.exercises.length !== 1) picker.prepend(new Option("all exercises", "-1"));
picker.addEventListener("change", () => show(Number(picker.value)));
search.addEventListener("input", choose);
filter.addEventListener("change", choose);
box.addEventListener("scroll", () => draw(), { passive: true });
addEventListener("resize", () => draw());
addEventListener("beforeprint", () => draw(true));
addEventListener("afterprint", () => draw());
show(exercise);
