"use strict";

// Charts: a cursor that follows the pointer or the arrow keys, its value beside the chart's title.
for (const figure of document.querySelectorAll(".chart")) {
  const points = JSON.parse(figure.dataset.points); // [step, value] as text, then x and y in the chart's own units
  const svg = figure.querySelector("svg");
  const output = figure.querySelector("output");
  const cursor = figure.querySelector(".cursor");
  const last = output.textContent;
  let at = points.length - 1;

  const show = (place) => {
    at = Math.max(0, Math.min(points.length - 1, place));
    const [step, value, x, y] = points[at];
    cursor.firstChild.setAttribute("x1", x);
    cursor.firstChild.setAttribute("x2", x);
    cursor.lastChild.setAttribute("cx", x);
    cursor.lastChild.setAttribute("cy", y);
    cursor.classList.add("on");
    figure.classList.add("read");
    output.textContent = `${value} at step ${step}`;
  };
  const rest = () => {
    cursor.classList.remove("on");
    figure.classList.remove("read");
    output.textContent = last;
  };
  const follow = (event) => {
    const box = svg.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * svg.viewBox.baseVal.width;
    let nearest = 0;
    points.forEach((point, place) => {
      if (Math.abs(point[2] - x) < Math.abs(points[nearest][2] - x)) nearest = place;
    });
    show(nearest);
  };

  svg.tabIndex = 0;
  svg.addEventListener("pointermove", follow);
  svg.addEventListener("pointerdown", follow);
  svg.addEventListener("pointerleave", rest);
  svg.addEventListener("blur", rest);
  svg.addEventListener("keydown", (event) => {
    const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: points.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    show(to);
  });
}

// The map: every sample a dot, or a picture where there is room for one.
const plane = document.getElementById("plane");
if (plane) {
  const data = JSON.parse(document.getElementById("map-data").textContent);
  const sheet = document.getElementById("map-sheet");
  const tip = document.getElementById("tip");
  const live = document.getElementById("map-live");
  const legend = [...document.querySelectorAll(".legend button")];
  const modes = { dots: document.getElementById("dots"), pictures: document.getElementById("pictures") };
  const brush = plane.getContext("2d");
  const count = data.x.length;
  const EDGE = 18;
  let mode = "dots";
  let chosen = null; // the one class that is shown, or all
  let active = -1;
  let width = 0;
  let height = 0;
  let pointer = false; // whether the pointer, and not the keyboard, made a sample active

  const shown = (place) => chosen === null || data.label[place] === chosen;
  const where = (place) => {
    const size = Math.min(width, height) - 2 * EDGE;
    return [
      (width - size) / 2 + (data.x[place] / data.grid) * size,
      (height - size) / 2 + (data.y[place] / data.grid) * size,
    ];
  };
  const thumbnail = (target, place, x, y, size) => {
    const column = place % data.columns;
    const row = Math.floor(place / data.columns);
    target.drawImage(sheet, column * data.side, row * data.side, data.side, data.side, x, y, size, size);
  };
  const colours = () => {
    const style = getComputedStyle(document.documentElement);
    const of = (name) => style.getPropertyValue(name).trim();
    const slots = Array.from({ length: 10 }, (_, slot) => of(`--c${slot}`));
    return { slots: [...slots, of("--other")], accent: of("--accent"), ink: of("--ink"), paper: of("--paper") };
  };
  const colour = (palette, place) => {
    if (data.classes.length === 0) return palette.accent;
    return data.label[place] < 0 ? palette.slots[10] : palette.slots[data.slot[data.label[place]]];
  };

  const drawDots = (palette) => {
    const radius = Math.max(1.6, Math.min(4, 120 / Math.sqrt(count))) * Math.sqrt(Math.min(1, width / 640));
    // the others of all classes first, so that what has a colour lies above
    const order = [...Array(count).keys()].filter(shown);
    const grey = (place) => colour(palette, place) === palette.slots[10];
    if (chosen !== null) {
      brush.globalAlpha = 0.14;
      brush.fillStyle = palette.ink;
      for (let place = 0; place < count; place++) if (!shown(place)) dot(place, radius);
    }
    brush.globalAlpha = count > 4000 ? 0.65 : 0.8;
    for (const first of [true, false]) {
      for (const place of order) {
        if (grey(place) !== first) continue;
        brush.fillStyle = colour(palette, place);
        dot(place, radius);
      }
    }
    brush.globalAlpha = 1;
  };
  const dot = (place, radius) => {
    const [x, y] = where(place);
    brush.beginPath();
    brush.arc(x, y, radius, 0, 2 * Math.PI);
    brush.fill();
  };
  const drawPictures = (palette) => {
    const size = Math.max(20, Math.min(data.side, width / 22));
    const pitch = size + 3;
    const cells = new Map(); // of each cell of a grid the sample nearest to its middle
    for (let place = 0; place < count; place++) {
      if (!shown(place)) continue;
      const [x, y] = where(place);
      const [column, row] = [Math.floor(x / pitch), Math.floor(y / pitch)];
      const distance = (x / pitch - column - 0.5) ** 2 + (y / pitch - row - 0.5) ** 2;
      const cell = cells.get(`${column} ${row}`);
      if (!cell || distance < cell.distance) cells.set(`${column} ${row}`, { place, column, row, distance });
    }
    for (const { place, column, row } of cells.values()) {
      const left = column * pitch + 1.5;
      const top = row * pitch + 1.5;
      if (data.classes.length) {
        brush.fillStyle = colour(palette, place);
        brush.fillRect(left - 1.5, top - 1.5, size + 3, size + 3);
      }
      thumbnail(brush, place, left, top, size);
    }
  };
  const draw = () => {
    const palette = colours();
    const ratio = window.devicePixelRatio || 1;
    width = plane.clientWidth;
    height = plane.clientHeight;
    plane.width = Math.round(width * ratio);
    plane.height = Math.round(height * ratio);
    brush.setTransform(ratio, 0, 0, ratio, 0, 0);
    brush.clearRect(0, 0, width, height);
    (mode === "dots" ? drawDots : drawPictures)(palette);
    if (active < 0) return;
    const [x, y] = where(active);
    brush.lineWidth = 2;
    brush.strokeStyle = palette.ink;
    brush.fillStyle = colour(palette, active);
    brush.beginPath();
    brush.arc(x, y, 7, 0, 2 * Math.PI);
    brush.fill();
    brush.stroke();
  };

  const point = (place) => {
    if (place === active) return;
    active = place;
    tip.hidden = place < 0;
    draw();
    if (place < 0) return;
    const picture = tip.querySelector("canvas");
    picture.width = picture.height = 236;
    thumbnail(picture.getContext("2d"), place, 0, 0, 236);
    const label = data.label[place] < 0 ? "" : data.classes[data.label[place]];
    tip.querySelector("b").textContent = label || data.name[place];
    tip.querySelector("span").textContent = label ? data.name[place] : "";
    live.textContent = pointer ? "" : `${data.name[place]}${label ? `, ${label}` : ""}`;
    const [x, y] = where(place);
    const left = x + 16 + tip.offsetWidth > width ? x - 16 - tip.offsetWidth : x + 16;
    const top = Math.min(Math.max(8, y - tip.offsetHeight / 2), height - tip.offsetHeight - 8);
    tip.style.left = `${Math.max(8, left)}px`;
    tip.style.top = `${Math.max(8, top)}px`;
  };
  const nearest = (x, y, reach) => {
    let best = -1;
    let least = reach * reach;
    for (let place = 0; place < count; place++) {
      if (!shown(place)) continue;
      const [px, py] = where(place);
      const distance = (px - x) ** 2 + (py - y) ** 2;
      if (distance < least) [best, least] = [place, distance];
    }
    return best;
  };
  const step = (dx, dy) => {
    if (active < 0) return nearest(width / 2, height / 2, Infinity);
    const [x, y] = where(active);
    let best = active;
    let least = Infinity;
    for (let place = 0; place < count; place++) {
      if (place === active || !shown(place)) continue;
      const [px, py] = where(place);
      const ahead = (px - x) * dx + (py - y) * dy;
      const aside = Math.abs((px - x) * dy) + Math.abs((py - y) * dx);
      if (ahead <= 0.01 || aside > ahead) continue; // within the quarter of the plane that the arrow points to
      const distance = ahead + 2 * aside;
      if (distance < least) [best, least] = [place, distance];
    }
    return best;
  };

  const touched = (event) => {
    const box = plane.getBoundingClientRect();
    pointer = true;
    point(nearest(event.clientX - box.left, event.clientY - box.top, event.pointerType === "touch" ? 32 : 18));
  };
  plane.addEventListener("pointermove", touched);
  plane.addEventListener("pointerdown", touched);
  plane.addEventListener("pointerleave", (event) => event.pointerType === "touch" || point(-1));
  plane.addEventListener("blur", () => point(-1));
  plane.addEventListener("keydown", (event) => {
    const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    if (event.key === "Escape") point(-1);
    if (!arrows[event.key]) return;
    event.preventDefault();
    pointer = false;
    point(step(...arrows[event.key]));
  });
  for (const button of legend) {
    button.addEventListener("click", () => {
      const label = Number(button.dataset.class);
      chosen = chosen === label ? null : label;
      for (const each of legend) each.setAttribute("aria-pressed", String(chosen === Number(each.dataset.class)));
      point(-1);
      draw();
    });
  }
  for (const [name, button] of Object.entries(modes)) {
    button.addEventListener("click", () => {
      mode = name;
      for (const [other, each] of Object.entries(modes)) each.setAttribute("aria-pressed", String(other === name));
      draw();
    });
  }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  new ResizeObserver(draw).observe(plane);
  sheet.decode().then(draw, draw);
}
