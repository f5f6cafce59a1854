"""How Sphinx makes a site of the repository's pages: `make site`.

Sources are the Markdown files where they stand, so that every link works both in the repository and in the site. A
broken link or anchor is a warning, and `make site` ends at warnings.
"""

from pygments.lexers.python import PythonLexer
from pygments.lexers.special import TextLexer
from sphinx.application import Sphinx

project = "reinforced-cot"
extensions = ["myst_parser"]
root_doc = "README"
LINKED = ("config/README", "tests/data/README")  # pages that others link to, and that the navigation leaves out
include_patterns = ["README.md", "CHANGELOG.md", "docs/*.md", "benchmarks/*.md", *(f"{page}.md" for page in LINKED)]
# The navigation: pages by theme. Every page stands in one of them; `make site` refuses one that does not.
NAVIGATION = {
    "Use": [
        "docs/tutorial",
        "docs/running",
        "docs/own-data",
        "docs/chains",
        "docs/training",
        "docs/rewards",
        "docs/cluster",
        "docs/terminal",
        "docs/app",
        "docs/publishing",
        "docs/troubleshooting",
    ],
    "Understand": ["docs/report", "docs/metrics", "docs/demo", "docs/robustness", "docs/original", "benchmarks/README"],
    "Look up": ["docs/configuration", "docs/eval-json", "docs/answer-kinds"],
    "Change": ["docs/architecture", "docs/extending", "CHANGELOG"],
}

myst_heading_anchors = 4  # the anchors that GitHub makes
highlight_language = "text"

html_theme = "furo"
html_title = "reinforced-cot"
html_static_path = ["site.css"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_search_summary = False  # it fetches pages, which a browser refuses for files
html_show_copyright = False
html_show_sphinx = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#1f5fa8", "color-brand-content": "#1f5fa8"},
    "dark_css_variables": {"color-brand-primary": "#82b4f0", "color-brand-content": "#82b4f0"},
}
html_additional_pages = {"index": "redirect.html"}
templates_path = ["."]


def setup(app: Sphinx) -> None:
    """What Sphinx calls first: languages of blocks that Pygments does not know, and the navigation."""
    app.add_lexer("snakemake", PythonLexer)
    app.add_lexer("message", TextLexer)
    app.connect("source-read", add_navigation)


def add_navigation(app: Sphinx, name: str, source: list[str]) -> None:
    """Put the navigation behind the front page, and the pages of benchmarks behind theirs; GitHub shows neither."""
    if name == root_doc:
        source[0] += "".join(toctree(caption, pages) for caption, pages in NAVIGATION.items())
    elif name == "benchmarks/README":
        pages = sorted(page for page in app.env.found_docs if page.startswith("benchmarks/") and page != name)
        source[0] += toctree("", pages)
    elif name in LINKED:
        source[0] = f"---\norphan: true\n---\n\n{source[0]}"


def toctree(caption: str, pages: list[str]) -> str:
    """A hidden table of contents."""
    options = ":hidden:\n" + (f":caption: {caption}\n" if caption else "")
    return f"\n\n```{{toctree}}\n{options}\n" + "".join(f"/{page}\n" for page in pages) + "```\n"
