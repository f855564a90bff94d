"""The map of the library: its rooms, drawn from the imports of its modules.

    python scripts/rooms.py

writes book/_static/rooms.svg. tests/test_rooms.py holds the drawing to the code.
"""

import ast
from html import escape
from pathlib import Path

ROOT = Path(__file__).parents[1]
OUT = ROOT / "book" / "_static" / "rooms.svg"
INK, LINE, PAPER, TINT, PAPERS = "#24324a", "#7d8798", "#ffffff", "#f1f3f6", "#fdf3e7"
WIDTH, WIDE, ROW, BOX, GAP = 900, 279, 104, 66, 16  # pixels
ORDER = (
    "cli",
    "compose",
    "training",
    "evaluation",
    "model",
    "networks",
    "diffusion",
    "datasets",
    "show",
    "music",
    "files",
)  # from left to right
LEFT = {"networks", "diffusion"}  # out of the way of what datasets and show stand on
ALONE = {
    "compose": "MIDI in, MIDI out",
    "model": "a trained model, loaded and saved; its card",
    "files": "written whole or not at all; caches",
}
OF_THE_PAPER = {
    "diffusion": "Eq. 3–8, Algorithm 1, §8",
    "networks": "§5, Fig. 2; §7, Fig. 3",
    "music": "§6",
    "datasets": "§6",
}


def rooms(root=ROOT):
    """{room: its modules}: folders of binolab, and the files that stand by themselves."""
    found = {}
    for path in sorted((root / "binolab").rglob("*.py")):
        room, *module = path.relative_to(root / "binolab").with_suffix("").parts
        if not room.startswith("__") and room != "card":
            found.setdefault(room, []).extend(m for m in module if m != "__init__")
    return found


def imports(path):
    """The modules of binolab that a file imports, but for those that only a type checker reads."""

    def walk(node):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            return
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "binolab":
            yield from (f"{node.module}.{name.name}" for name in node.names)
        if isinstance(node, ast.Import):
            yield from (n.name for n in node.names if n.name.split(".")[0] == "binolab")
        for child in ast.iter_child_nodes(node):
            yield from walk(child)

    return set(walk(ast.parse(path.read_text(encoding="utf-8"))))


def arrows(root=ROOT):
    """{room: the rooms that it imports}."""
    names, found = rooms(root), {}
    for room in names:
        place = root / "binolab" / room
        files = place.rglob("*.py") if place.is_dir() else [place.with_suffix(".py")]
        files = [*files, place.with_name("card.py")] if room == "model" else files
        used = {dotted.split(".")[1] for file in files for dotted in imports(file)}
        used = {"model" if name == "card" else name for name in used}  # a model's own
        found[room] = (used & names.keys()) - {room}
    return found


def floors(arrows):
    """{room: how many rooms lie above it, one on another}. ValueError for a circle."""
    found, users = {}, {r: {u for u in arrows if r in arrows[u]} for r in arrows}
    while len(found) < len(arrows):
        ready = [r for r in arrows if r not in found and users[r] <= found.keys()]
        if not ready:
            raise ValueError(f"a circle: {', '.join(sorted(arrows.keys() - found.keys()))}")
        found |= {r: 1 + max((found[u] for u in users[r]), default=-1) for r in ready}
    return found


def needed(arrows):
    """The arrows that no longer way stands for."""

    def below(room):
        return arrows[room].union(*(below(used) for used in arrows[room]))

    return {
        (room, used)
        for room in arrows
        for used in arrows[room]
        if not any(used in below(other) for other in arrows[room] - {used})
    }


def draw(root=ROOT):
    """The map as SVG."""
    told, modules = arrows(root), rooms(root)
    floor = floors(told)
    lowest = max(floor.values())
    place = {}
    for k in range(lowest + 1):
        row = [room for room in ORDER if floor[room] == k]
        first = (WIDTH - len(row) * (WIDE + GAP) + GAP) / 2
        first = GAP if set(row) <= LEFT else first
        for i, room in enumerate(row):
            place[room] = first + i * (WIDE + GAP), 10 + k * ROW
    height = 20 + lowest * ROW + BOX
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f"font-family=\"'Source Sans 3', 'Segoe UI', Helvetica, sans-serif\" fill=\"{INK}\">",
        f'<rect width="{WIDTH}" height="{height}" fill="{PAPER}"/>',
    ]
    for room, used in sorted(needed(told)):
        (x, y), (u, v) = place[room], place[used]
        a, b, c, d = x + WIDE / 2, y + BOX, u + WIDE / 2, v
        out.append(
            f'<path d="M{a:.0f},{b} C{a:.0f},{b + 30} {c:.0f},{d - 30} {c:.0f},{d}" '
            f'fill="none" stroke="{LINE}" stroke-width="1.2"/>'
        )
    for room, (x, y) in place.items():
        fill = PAPERS if room in OF_THE_PAPER else TINT
        out.append(
            f'<rect x="{x:.0f}" y="{y}" width="{WIDE}" height="{BOX}" rx="5" '
            f'fill="{fill}" stroke="{LINE}"/>'
        )
        note = OF_THE_PAPER.get(room, "")
        out.append(
            f'<text x="{x + 10:.0f}" y="{y + 18}" font-size="15" font-weight="bold">{room}</text>'
        )
        if note:
            out.append(
                f'<text x="{x + WIDE - 10:.0f}" y="{y + 18}" font-size="11" '
                f'text-anchor="end">{escape(note)}</text>'
            )
        for j, line in enumerate(wrapped(modules[room] or [ALONE[room]], WIDE - 20)):
            out.append(
                f'<text x="{x + 10:.0f}" y="{y + 35 + 13 * j}" font-size="11.5">'
                f"{escape(line)}</text>"
            )
    return "\n".join([*out, "</svg>", ""])


def wrapped(names, width):
    """Names in lines of so many pixels, by a letter's mean width."""
    lines = [""]
    for name in names:
        longer = f"{lines[-1]}, {name}".lstrip(", ")
        if len(longer) * 5.7 > width and lines[-1]:
            lines[-1] += ","
            lines.append(name)
        else:
            lines[-1] = longer
    return lines


if __name__ == "__main__":
    OUT.write_text(draw(), encoding="utf-8")
    print(OUT.relative_to(ROOT))
