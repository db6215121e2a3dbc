"""Pages above all languages."""

from __future__ import annotations

import pytest

from kvmdocs.core.errors import GuideError
from kvmdocs.site.root_pages import SiteLanguage, common, write


def language(code, url=""):
    return SiteLanguage(code, code, f"<{code}>", "What it is", url, {"lost": "Not here"})


@pytest.mark.parametrize(
    ("addresses", "above"),
    [
        (["https://a.org/en/", "https://a.org/zh/"], "https://a.org/"),
        (["https://a.org/book/en/", "https://a.org/book/zh/"], "https://a.org/book/"),
        (["https://a.org/en/", "https://b.org/zh/"], ""),
        (["http://localhost:8000/en/", "http://localhost:8000/zh/"], ""),
        (["", ""], ""),
        ([], ""),
    ],
)
def test_the_address_above_all_languages(addresses, above):
    assert common(addresses) == above


def test_pages_are_filled_in(tmp_path):
    folder = tmp_path / "root"
    folder.mkdir()
    (folder / "index.html").write_text("{% for site in sites %}<a href={{ site.path }}>{{ site.name }}</a>{% endfor %}")
    (folder / "robots.txt").write_text("{{ sites[0].words.lost }} {{ sites[0].name }} {{ url }}\n")
    (folder / "sitemap.xml").write_text("{{ url }}")
    sites = [language("en", "https://a.org/book/en/"), language("zh", "https://a.org/book/zh/")]
    written = write(folder, tmp_path, sites)
    assert [path.name for path in written] == ["index.html", "robots.txt", "sitemap.xml"]
    assert written[0].read_text() == "<a href=/book/en/>&lt;en&gt;</a><a href=/book/zh/>&lt;zh&gt;</a>"
    assert written[1].read_text() == "Not here <en> https://a.org/book/\n"
    assert written[2].read_text() == "https://a.org/book/"


def test_a_site_without_an_address_has_no_map_of_addresses(tmp_path):
    folder = tmp_path / "root"
    folder.mkdir()
    (folder / "sitemap.xml").write_text("{{ url }}")
    (folder / "404.html").write_text("{{ sites[0].path }}")
    (written,) = write(folder, tmp_path, [language("en")])
    assert written.read_text() == "/en/"


@pytest.mark.parametrize(("text", "told"), [("{{ sites[0].nothing }}", "nothing"), ("{% for %}", "Expected")])
def test_a_template_that_cannot_be_filled_in_is_an_error_that_names_it(tmp_path, text, told):
    folder = tmp_path / "root"
    folder.mkdir()
    (folder / "404.html").write_text(text)
    with pytest.raises(GuideError, match=rf"404\.html cannot be rendered: .*{told}"):
        write(folder, tmp_path, [language("en")])


def test_a_folder_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(GuideError, match="nowhere does not exist"):
        write(tmp_path / "nowhere", tmp_path, [])
