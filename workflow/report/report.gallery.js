// The gallery: a table of all test questions with filters, and a dialog with images, chains and labels.
// All text of data and models is set as text, never as HTML.
(() => {
  "use strict";
  const facts = JSON.parse(document.getElementById("gallery-facts").textContent);
  const tableElement = document.getElementById("gallery-table");
  if (!tableElement) {
    globalThis.galleryRows = () => {};
    return;
  }
  const folder = "report_files/";
  const rows = [];
  const byId = new Map();
  globalThis.galleryRows = (more) => rows.push(...more);

  const dialog = document.getElementById("gallery-dialog");
  const filterBox = document.getElementById("gallery-filter");
  const typeBox = document.getElementById("gallery-type");
  const searchBox = document.getElementById("gallery-search");
  // Chains that were written anew have no labels yet.
  const store = (policy) => `labels of ${facts.run} ${location.pathname} ${policy} ${facts.chains[policy]}`;
  const labels = Object.create(null); // an id may be any text, `__proto__` too
  try {
    for (const policy of facts.policies) {
      for (const [id, label] of JSON.parse(localStorage.getItem(store(policy)) || "[]")) {
        labels[id] = { ...labels[id], [policy]: label };
      }
    }
  } catch {
    // A browser may keep nothing for files: labels then live as long as the page.
  }
  let table = null;
  let shown = null;

  function element(name, properties = {}, ...children) {
    const made = Object.assign(document.createElement(name), properties);
    made.append(...children);
    return made;
  }

  const isRight = (answer) => answer.r >= 0.5;
  const isSupported = (answer) => answer.v === "support" && !answer.b;
  const said = (answer) => (answer.p ? `(${answer.p})` : answer.a);
  const judged = { support: "follows from its chain", contradict: "contradicts its chain", unknown: "not decided by its chain" };

  // The filters: a name for the address, words for the list, and which rows pass.
  const filters = new Map();
  facts.policies.forEach((policy, place) => {
    const before = facts.before[policy];
    if (before !== undefined) {
      const origin = facts.policies.indexOf(before);
      filters.set(`mended-${policy}`, {
        title: `mended by ${policy} (better than in ${before})`,
        passes: ({ answers }) => answers[place].r > answers[origin].r,
      });
      filters.set(`broken-${policy}`, {
        title: `broken by ${policy} (worse than in ${before})`,
        passes: ({ answers }) => answers[place].r < answers[origin].r,
      });
    }
  });
  filters.set("all-wrong", { title: "all policies wrong", passes: ({ answers }) => !answers.some(isRight) });
  filters.set("all-right", { title: "all policies right", passes: ({ answers }) => answers.every(isRight) });
  facts.policies.forEach((policy, place) => {
    filters.set(`unsupported-${policy}`, {
      title: `${policy}: right without support of its chain`,
      passes: ({ answers }) => isRight(answers[place]) && !isSupported(answers[place]),
    });
    filters.set(`flagged-${policy}`, {
      title: `${policy}: malformed, cut off or against its chain`,
      passes: ({ answers }) => Boolean(answers[place].p || answers[place].t || answers[place].v === "contradict"),
    });
  });
  filters.set("labelled", { title: "labelled by you", passes: ({ id }) => Object.keys(labels[id] || {}).length > 0 });
  for (const [name, { title }] of filters) filterBox.append(element("option", { value: name, textContent: title }));

  // What stands in the address: the filter, the type, the search and the open question.
  function readAddress() {
    if (!location.hash.startsWith("#gallery?")) return new URLSearchParams();
    return new URLSearchParams(location.hash.slice("#gallery?".length));
  }
  function address(question) {
    const parts = new URLSearchParams();
    if (filterBox.value) parts.set("filter", filterBox.value);
    if (typeBox.value) parts.set("type", typeBox.value);
    if (searchBox.value) parts.set("search", searchBox.value);
    if (question) parts.set("question", question);
    return parts.size ? `#gallery?${parts}` : "#gallery";
  }
  function writeAddress() {
    history.replaceState(null, "", address(shown && shown.id));
  }

  function passes(row, words) {
    if (typeBox.value && row.type !== typeBox.value) return false;
    const filter = filters.get(filterBox.value);
    if (filter && !filter.passes(row)) return false;
    return !words || row.words.includes(words);
  }

  function filtered() {
    table.draw();
    const left = table.rows({ search: "applied" }).count();
    document.getElementById("gallery-count").textContent = `${left} of ${rows.length} questions`;
  }

  function refresh() {
    filtered();
    writeAddress();
  }

  function verdictMark(answer) {
    const right = isRight(answer);
    const mark = element("span", { className: `mark ${right ? "right" : "wrong"}`, textContent: right ? "✓" : "✗" });
    mark.setAttribute("aria-label", right ? "right" : "wrong");
    mark.setAttribute("role", "img");
    return mark;
  }

  function labelsOf(row, policy) {
    return (labels[row.id] || {})[policy];
  }

  function setLabel(row, policy, value) {
    labels[row.id] = { ...labels[row.id], [policy]: value };
    if (!value) delete labels[row.id][policy];
    try {
      const kept = Object.entries(labels).filter(([, byPolicy]) => byPolicy[policy]);
      localStorage.setItem(store(policy), JSON.stringify(kept.map(([id, byPolicy]) => [id, byPolicy[policy]])));
    } catch {
      // As above: they live as long as the page.
    }
  }

  function answerCard(row, place) {
    const answer = row.answers[place];
    const policy = facts.policies[place];
    const card = element("article", { className: `answer ${isRight(answer) ? "is-right" : "is-wrong"}` });
    card.append(element("div", { className: "quiet", textContent: policy }));
    const line = element("div", { className: "said" }, verdictMark(answer));
    line.append(element("bdi", { textContent: said(answer) }));
    card.append(line);
    const text = answer.p ? answer.w : answer.c;
    if (text) {
      const chain = element("div", { className: "chain", dir: "auto", textContent: text, tabIndex: 0 });
      chain.setAttribute("role", "group");
      chain.setAttribute("aria-label", `What ${policy} wrote`);
      card.append(chain);
    }
    const tags = element("div", { className: "tags" });
    if (answer.r > 0 && answer.r < 1) tags.append(element("span", { textContent: `credit ${answer.r}` }));
    if (!answer.p && answer.v) tags.append(element("span", { textContent: judged[answer.v] }));
    if (answer.b) tags.append(element("span", { textContent: "chain only repeats the answer" }));
    if (answer.t) tags.append(element("span", { textContent: "cut off" }));
    if (tags.childNodes.length) card.append(tags);
    if (!answer.p && answer.c) {
      const choice = element("fieldset", {}, element("legend", { textContent: "Chain" }));
      for (const value of ["right", "wrong", "unclear", ""]) {
        const box = element("input", { type: "radio", name: `label-${place}`, value });
        box.checked = (labelsOf(row, policy) || "") === value;
        box.addEventListener("change", () => setLabel(row, policy, value));
        choice.append(element("label", {}, box, ` ${value || "no label"}`));
      }
      card.append(choice);
    }
    return card;
  }

  function show(row) {
    shown = row;
    const pictures = element("div", { className: "shown" });
    row.images.forEach((image, number) => {
      const picture = element("img", { src: folder + image, alt: `Image ${number + 1} of the question` });
      picture.addEventListener("load", () => picture.classList.toggle("small", picture.naturalWidth < 200));
      pictures.append(picture);
    });
    const words = element("div", {});
    const heading = element("h3", { id: "gallery-question" });
    heading.append(element("bdi", { textContent: row.question }));
    words.append(heading);
    if (row.choices.length) {
      const choices = element("p", { className: "quiet", textContent: "Choices: " });
      choices.append(element("bdi", { textContent: row.choices.join(" | ") }));
      words.append(choices);
    }
    const truth = element("p", { textContent: "True answer: " });
    truth.append(element("strong", {}, element("bdi", { textContent: row.truth })));
    truth.append(element("span", { className: "quiet", textContent: ` (${row.type}, ${row.id})` }));
    words.append(truth);
    const answers = element("div", { className: "answers" });
    row.answers.forEach((_, place) => answers.append(answerCard(row, place)));
    words.append(answers);
    document.getElementById("gallery-detail").replaceChildren(pictures, words);
    document.getElementById("gallery-link").href = address(row.id);
    if (!dialog.open) dialog.showModal();
    writeAddress();
  }

  function step(by) {
    const order = table.rows({ order: "applied", search: "applied" }).data().toArray();
    const next = order[order.indexOf(shown) + by];
    if (next) show(next);
  }

  function saveLabels() {
    const lines = [];
    for (const [id, byPolicy] of Object.entries(labels)) {
      for (const [policy, label] of Object.entries(byPolicy)) lines.push(JSON.stringify({ id, policy, label }));
    }
    const link = element("a", {
      href: URL.createObjectURL(new Blob([lines.map((line) => `${line}\n`).join("")], { type: "application/jsonl" })),
      download: "labels.jsonl",
    });
    link.click();
    URL.revokeObjectURL(link.href);
  }

  function columns() {
    const thumb = {
      title: "Image",
      data: null,
      orderable: false,
      className: "thumb",
      render: () => "",
      createdCell: (cell, _, row) =>
        cell.append(element("img", { src: folder + row.images[0], alt: "", loading: "lazy", decoding: "async" })),
    };
    const text = (title, value) => ({
      title,
      data: null,
      render: (_, kind, row) => (kind === "display" ? "" : value(row)),
      createdCell: (cell, _, row) => {
        cell.dataset.label = title;
        cell.append(element("bdi", { textContent: value(row) }));
      },
    });
    const question = text("Question", (row) => row.question);
    question.createdCell = (cell, _, row) => {
      const button = element("button", { type: "button", className: "open" });
      button.append(element("bdi", { textContent: row.question }));
      cell.append(button);
    };
    const answers = facts.policies.map((policy, place) => ({
      title: policy,
      data: null,
      render: (_, kind, row) => (kind === "display" ? "" : `${row.answers[place].r} ${said(row.answers[place])}`),
      createdCell: (cell, _, row) => {
        cell.dataset.label = policy;
        cell.append(verdictMark(row.answers[place]), element("bdi", { textContent: said(row.answers[place]) }));
      },
    }));
    const truth = text("True answer", (row) => row.truth);
    const type = text("Type", (row) => row.type);
    return [thumb, question, truth, ...answers, type];
  }

  async function tableLibrary() {
    // A page from a file may not import another file: the module is imported from its own text.
    const bytes = Uint8Array.from(atob(document.getElementById("table-module").textContent), (one) => one.charCodeAt(0));
    const url = URL.createObjectURL(new Blob([bytes], { type: "text/javascript" }));
    const { jQuery } = await import(url);
    URL.revokeObjectURL(url);
    return jQuery;
  }

  async function start() {
    const jQuery = await tableLibrary();
    for (const row of rows) {
      byId.set(row.id, row);
      const texts = row.answers.flatMap((answer) => [said(answer), answer.c || answer.w || ""]);
      row.words = [row.id, row.question, row.truth, ...texts].join("\n").toLowerCase();
    }
    for (const type of [...new Set(rows.map((row) => row.type))].sort()) {
      typeBox.append(element("option", { value: type, textContent: type }));
    }
    // A filter or a type that this page lacks, as in a link to another one, shows all.
    const choose = (box, value) => {
      box.value = value || "";
      if (box.selectedIndex < 0) box.value = "";
    };
    const takeAddress = () => {
      const wanted = readAddress();
      choose(filterBox, wanted.get("filter"));
      choose(typeBox, wanted.get("type"));
      searchBox.value = wanted.get("search") || "";
      return byId.get(wanted.get("question"));
    };
    const question = takeAddress();
    const words = () => searchBox.value.trim().toLowerCase();
    jQuery.fn.dataTable.ext.search.push((settings, _, __, row) => settings.nTable !== tableElement || passes(row, words()));
    table = jQuery(tableElement).DataTable({
      data: rows,
      columns: columns(),
      order: [],
      pageLength: 25,
      lengthMenu: [10, 25, 50, 100, 250],
      deferRender: true,
      autoWidth: false,
      layout: { topStart: null, topEnd: null, bottomStart: ["pageLength", "info"], bottomEnd: "paging" },
    });
    jQuery(tableElement).on("click", "tbody tr", (event) => {
      const row = table.row(event.currentTarget).data();
      if (row) show(row);
    });
    for (const box of [filterBox, typeBox]) box.addEventListener("change", refresh);
    let waiting = 0;
    searchBox.addEventListener("input", () => {
      clearTimeout(waiting);
      waiting = setTimeout(refresh, 150);
    });
    document.getElementById("gallery-previous").addEventListener("click", () => step(-1));
    document.getElementById("gallery-next").addEventListener("click", () => step(1));
    document.getElementById("gallery-save").addEventListener("click", saveLabels);
    dialog.addEventListener("keydown", (event) => {
      if (event.target.matches("input, .chain") || event.altKey || event.ctrlKey || event.metaKey) return;
      if (event.key === "ArrowLeft") step(-1);
      if (event.key === "ArrowRight") step(1);
    });
    dialog.addEventListener("close", () => {
      shown = null;
      writeAddress();
    });
    addEventListener("hashchange", () => {
      if (!location.hash.startsWith("#gallery?")) return;
      const row = takeAddress();
      filtered();
      if (row) show(row);
      else dialog.close();
    });
    const isLinked = location.hash.startsWith("#gallery");
    filtered();
    if (isLinked) document.getElementById("gallery").scrollIntoView();
    if (question) show(question);
    document.documentElement.dataset.gallery = "ready";
  }

  addEventListener("DOMContentLoaded", start);
})();
