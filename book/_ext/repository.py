"""Buttons that lead to the repository, when `_config.yml` names one, and none when it does not.

The address stands in one place: `repository: url:` in `_config.yml`.
"""

BUTTONS = ("use_repository_button", "use_edit_page_button", "use_issues_button")


def offer_buttons(app, config):
    options = config.html_theme_options
    named = bool(options.get("repository_url"))
    options.update(dict.fromkeys(BUTTONS, named))
    if not named:
        options.pop("repository_url", None)
        options["launch_buttons"] = {}


def setup(app):
    app.connect("config-inited", offer_buttons)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
