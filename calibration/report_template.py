"""The report's style sheet and HTML, as a module, so that it is there wherever the package is installed."""

STYLE = """
:root { color-scheme: light; }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body {
  margin: 0 auto; padding: 2rem 1.5rem 3rem; max-width: 62rem; background: #fff; color: #1a1a1a;
  font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
  font-variant-numeric: tabular-nums; overflow-wrap: anywhere;
}
h1 { margin: 0 0 1rem; font-size: 1.9rem; line-height: 1.2; }
h2 { margin: 3rem 0 0.8rem; padding-bottom: 0.3rem; border-bottom: 1px solid #bbb; font-size: 1.35rem; }
h3 { margin: 2rem 0 0.3rem; font-size: 1.08rem; }
h4 { margin: 0; font-size: 0.95rem; }
p { margin: 0.6rem 0; max-width: 46rem; }
a { color: #004f7c; }
.kicker { margin: 0; color: #555; }
.verdict { margin: 1rem 0; padding: 0.7rem 1rem; border-left: 0.4rem solid #004f7c; background: #f2f6f9;
  max-width: none; }
.verdict strong { display: block; }
.provisional { border-left-color: #b34700; background: #fdf3ec; }
.missing { padding: 0.5rem 0.8rem; border: 1px dashed #777; color: #444; }
.warning { padding: 0.5rem 0.8rem; border-left: 0.3rem solid #b34700; background: #fdf3ec; }
nav ol { margin: 1.2rem 0 0; padding: 0; list-style: none; display: flex; flex-wrap: wrap;
  gap: 0.3rem 1.2rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 0.25rem 1.4rem; margin: 1rem 0; }
.compact { grid-template-columns: max-content 1fr max-content 1fr; font-size: 0.92rem; }
dt { color: #555; }
dd { margin: 0; min-width: 0; }
.scroll { margin: 0 0 1rem; overflow-x: auto; }
table { border-collapse: collapse; font-size: 0.92rem; }
.caption { margin: 1.4rem 0 0.3rem; color: #444; font-size: 0.9rem; break-after: avoid; }
th, td { padding: 0.32rem 0.9rem; text-align: left; vertical-align: top; overflow-wrap: normal; }
th:first-child, td:first-child { padding-left: 0; }
th:last-child, td:last-child { padding-right: 0; }
td { min-width: 3rem; border-top: 1px solid #e3e3e3; }
thead th { border-bottom: 2px solid #1a1a1a; vertical-align: bottom; }
.figure { text-align: right; white-space: nowrap; }
.short { white-space: nowrap; }
.long { min-width: 16rem; overflow-wrap: anywhere; }
figure { margin: 1.2rem 0; }
figure img { display: block; width: 46rem; max-width: 100%; height: auto; }
figcaption { margin-top: 0.4rem; color: #444; font-size: 0.9rem; max-width: 46rem; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(17rem, 1fr)); gap: 0 1.5rem; }
.cases { display: grid; grid-template-columns: repeat(auto-fill, minmax(27rem, 1fr)); gap: 1.4rem 2rem; }
.case { display: flex; flex-direction: column; }
.case p { margin: 0 0 0.4rem; font-size: 0.88rem; color: #444; }
.pictures { margin-top: auto; display: grid; grid-template-columns: repeat(3, 1fr); gap: 0.4rem; }
.pictures figure { margin: 0; }
.pictures img, .plots img { width: 100%; }
.pictures figcaption { margin-top: 0.15rem; font-size: 0.8rem; }
footer { margin-top: 3rem; padding-top: 0.6rem; border-top: 1px solid #bbb; color: #555; font-size: 0.88rem; }
@media (max-width: 40rem) {
  body { padding: 1rem 0.9rem 2rem; }
  h1 { font-size: 1.5rem; }
  h2 { margin-top: 2.2rem; font-size: 1.2rem; }
  dl { grid-template-columns: 1fr; gap: 0; }
  dd { margin-bottom: 0.5rem; }
  .compact { grid-template-columns: max-content 1fr; gap: 0 1rem; }
  .compact dd { margin: 0; }
  table { font-size: 0.85rem; }
  th, td { padding: 0.3rem 0.45rem; }
  .long { min-width: 11rem; }
  .short { white-space: normal; }
  .cases { grid-template-columns: 1fr; }
}
@media print {
  @page { margin: 15mm; }
  html { font-size: 9pt; }
  body { max-width: none; padding: 0; print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  nav { display: none; }
  h2 { margin-top: 1.4rem; }
  h2, h3 { break-after: avoid; }
  figure, .case, tr, dl, .verdict { break-inside: avoid; }
  .scroll { overflow: visible; }
  .long { min-width: 0; }
  .short, thead th { white-space: normal; }
  th, td { padding: 0.2rem 0.5rem; }
  .cases { grid-template-columns: 1fr 1fr; gap: 0.8rem 1rem; }
  a { color: inherit; text-decoration: none; }
}
"""

PAGE = """\
{% macro facts(block) %}
<dl{% if block.compact %} class="compact"{% endif %}>
{% for name, value in block.rows %}
<dt>{{ name }}</dt><dd>{{ value }}</dd>
{% endfor %}
</dl>
{% endmacro %}
{% macro cell(tag, block, index, text) %}
{% set kind = "figure" if index in block.figures else "long" if text|length > 40 else "short" %}
<{{ tag }} class="{{ kind }}"{% if tag == "th" %} scope="col"{% endif %}>{{ text }}</{{ tag }}>
{% endmacro %}
{% macro table(block) %}
<p class="caption">{{ block.caption }}</p>
<div class="scroll" tabindex="0" role="region" aria-label="{{ block.caption }}">
<table>
<thead><tr>
{% for text in block.columns %}{{ cell("th", block, loop.index0, text) }}{% endfor %}
</tr></thead>
<tbody>
{% for row in block.rows %}
<tr>
{% for text in row %}{{ cell("td", block, loop.index0, text) }}{% endfor %}
</tr>
{% endfor %}
</tbody>
</table>
</div>
{% endmacro %}
{% macro plot(block) %}
<figure id="{{ block.name }}">
<img src="{{ block.picture.uri }}" alt="{{ block.picture.alt }}">
<figcaption>{{ block.caption }}</figcaption>
</figure>
{% endmacro %}
{% macro gallery(block) %}
<h3>{{ block.title }}</h3>
<p>{{ block.text }}</p>
<div class="cases">
{% for case in block.cases %}
<div class="case">
<h4>{{ case.title }}</h4>
<p>{{ case.note }}</p>
<div class="pictures">
{% for picture in case.pictures %}
<figure><img src="{{ picture.uri }}" alt="{{ picture.alt }}">
<figcaption>{{ picture.label }}</figcaption></figure>
{% endfor %}
</div>
</div>
{% endfor %}
</div>
{% endmacro %}
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{{ policy }}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>{{ page.title }}</title>
<style>{{ style|safe }}</style>
</head>
<body>
<header>
<p class="kicker">Calibration report</p>
<h1>{{ page.title }}</h1>
<p class="verdict{% if page.provisional %} provisional{% endif %}" id="verdict">
<strong>{{ "Provisional calibration" if page.provisional else "Complete calibration" }}</strong>
{{ page.verdict }}</p>
{{ facts(page.summary) }}
<nav aria-label="Contents"><ol>
{% for section in page.sections %}
<li><a href="#{{ section.anchor }}">{{ section.title }}</a></li>
{% endfor %}
</ol></nav>
</header>
<main>
{% for section in page.sections %}
<section id="{{ section.anchor }}">
<h2>{{ section.title }}</h2>
{% for block in section.blocks %}
{% if block.kind == "text" %}
<p class="{{ block.tone }}">{{ block.text }}</p>
{% elif block.kind == "facts" %}
{{ facts(block) }}
{% elif block.kind == "table" %}
{{ table(block) }}
{% elif block.kind == "plot" %}
{{ plot(block) }}
{% elif block.kind == "plots" %}
<div class="plots">
{% for each in block.plots %}{{ plot(each) }}{% endfor %}
</div>
{% else %}
{{ gallery(block) }}
{% endif %}
{% endfor %}
</section>
{% endfor %}
</main>
<footer>{{ page.footer }}</footer>
</body>
</html>
"""
