"""Pages that load little: what is seen or heard later lies beside the page and comes when due.

Sliders are written into the page (`sliders`). Pictures and sounds that a notebook carries as text
become files. A picture has its size, so that the page does not move when it comes. What the theme
would load and no page uses is left out: Thebe, the settings of a MathJax that is not there, the
names of 1,900 icons. Its scripts report nothing to the console.
"""

import base64
import hashlib
import json
import re
from pathlib import Path

from fontTools.ttLib import TTFont
from PIL import Image
from sliders import STATE, write

INLINE = re.compile(r'src="data:(image/png|audio/mpeg);base64,([^"]+)"')
PICTURE = re.compile(r'<img ((?:[^>"]|"[^"]*")*?)(src="(_images/[^"]+\.png)")')
ICON = re.compile(r'(?:\.fa-[a-z0-9-]+:before,?)+\{content:"\\?(\w+|.)"\}')
UNUSED = re.compile("thebe|window.MathJax", re.I)
KATEX = "../vendor/katex/katex.min.css"
FOLDERS = {"image/png": ("_images", ".png"), "audio/mpeg": ("_sounds", ".mp3")}


def lighten(app, page, template, context, doctree):
    if app.env.get_domain("math").has_equations(page):
        app.add_css_file(KATEX)
    scripts, state = {}, None
    for script in context["script_files"]:
        attributes = getattr(script, "attributes", {})
        text = attributes.get("body") or str(script.filename)
        if attributes.get("type") == STATE:
            state = text
        elif not UNUSED.search(text):
            scripts[text] = script  # the theme gives some twice
    context["script_files"] = list(scripts.values())
    context["css_files"] = [c for c in context["css_files"] if "thebe" not in str(c.filename)]

    body = context.get("body") or ""
    if state:
        body = write(body, state)
    body = INLINE.sub(lambda found: f'src="{beside(app, *found.groups())}"', body)
    body = PICTURE.sub(lambda found: sized(app, *found.groups()), body)
    context["body"] = re.sub('(<audio [^>]*?)preload="[a-z]+"', r'\1preload="none"', body)


def beside(app, kind, text):
    """Write what a page carries as text into a file of its own; returns its address."""
    folder, suffix = FOLDERS[kind]
    data = base64.b64decode(text)
    path = Path(app.outdir, folder, hashlib.sha256(data).hexdigest()[:16] + suffix)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    return f"{folder}/{path.name}"


def sized(app, attributes, source, name):
    """A picture that loads when it comes near the screen, in the place that is kept for it."""
    path = Path(app.outdir, name)
    if not path.exists():  # of the pictures of a page, copied at the end
        (path,) = (p for p, (_, n) in app.env.images.items() if n == Path(name).name)
        path = Path(app.srcdir, path)
    if "width=" not in attributes:
        with Image.open(path) as image:
            attributes += 'width="{}" height="{}" '.format(*image.size)
    return f'<img loading="lazy" {attributes}{source}'


def trim(app, error):
    """Cut the theme's own files, and write the pages' words for a search that has no server."""
    if error or app.builder.format != "html":
        return
    out = Path(app.outdir)
    styles = out / "_static" / "styles" / "pydata-sphinx-theme.css"
    known = TTFont(out / "vendor" / "fonts" / "icons-solid-900.woff").getBestCmap()

    def kept(rule):
        number = int(rule[1], 16) if len(rule[1]) > 1 else ord(rule[1])
        return rule[0] if number in known else ""

    styles.write_text(ICON.sub(kept, styles.read_text("utf-8")), "utf-8")
    chatty = (
        "_static/togglebutton.js",
        "_static/searchtools.js",
        "_static/scripts/*.js",
        "search.html",
    )
    for path in [path for name in chatty for path in out.glob(name)]:
        text = path.read_text("utf-8")
        path.write_text(re.sub(r"console\.(log|warn)\(", "void(", text), "utf-8")
    texts = {f"{page}.html": words(out / f"{page}.html") for page in sorted(app.env.found_docs)}
    script = f"self.binolabTexts = {json.dumps(texts, ensure_ascii=False)};\n"
    (out / "search-texts.js").write_text(script, "utf-8")


def words(path):
    """The sections of a page and their text, as Sphinx's search looks for them."""
    article = re.search(r"<article.*?</article>", path.read_text("utf-8"), re.S)[0]
    article = re.sub(
        r"<(script|style|svg)\b.*?</\1>|<a class=\"headerlink.*?</a>", "", article, flags=re.S
    )
    text = re.sub(r"\s+", " ", re.sub(r"<(?!/?section\b)[^>]*>", "", article))
    return f'<main role="main">{text}</main>'


def setup(app):
    app.connect("html-page-context", lighten, priority=950)  # after all that add scripts
    app.connect("build-finished", trim)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
