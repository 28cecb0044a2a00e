"""The first wall, and the second behind it: hostile templates, and the words for honest mistakes."""

from __future__ import annotations

import time
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2.exceptions import SecurityError, TemplateError

from nurture.errors import BrokenEmail
from nurture.problems import Problem, errors_in
from nurture.rendering import Renderer
from nurture.rendering.boundary import framer
from nurture.rendering.environment import build_environment
from nurture.rendering.fields import BRIEF_FIELDS, EMAIL_FIELDS, with_profile_fields
from nurture.rendering.lint import email_problems
from nurture.rendering.policy import inspect_template
from tests.nurture.rendering.samples import certain, email, full

CANARY = "canary-4711"

HOSTILE = {
    "class of an empty tuple": "{{ ().__class__.__base__.__subclasses__() }}",
    "class of a field": "{{ lead.name.__class__.__mro__ }}",
    "class by brackets": "{{ lead['__class__']['__mro__'] }}",
    "class by the attr filter": "{{ lead.name | attr('__class__') }}",
    "class through a test": "{{ lead.name is sameas(lead.__class__) }}",
    "globals of a function": "{{ lead.items.__globals__ }}",
    "the environment by cycler": "{{ cycler.__init__.__globals__.os.environ }}",
    "the environment by lipsum": "{{ lipsum.__globals__['os'].environ }}",
    "the environment by joiner": "{{ joiner().__init__.__globals__ }}",
    "the template itself": "{{ self.__init__.__globals__ }}",
    "the undefined's own code": "{{ nothing.__class__._fail_with_undefined_error.__globals__ }}",
    "a method of a database record": "{{ lead.registry.dispose() }}",
    "another column": "{{ lead.password }}",
    "settings": "{{ config }}",
    "format string": "{{ '{0.__class__}'.format(lead) }}",
    "format string by map": "{{ ['{0.__class__}'] | map('format', lead) | list }}",
    "format by percent": "{{ '%1000000000d' % 1 }}",
    "format map indirectly": "{{ ('{.__class__}' | attr('format'))(lead) }}",
    "call of a filter's result": "{{ (lead.name | default('x'))() }}",
    "call of a string method": "{{ lead.name.upper() }}",
    "dictionary update": "{% set _ = lead.update({'name': 'x'}) %}",
    "assignment": "{% set x = lead %}{{ x }}",
    "namespace": "{% set ns = namespace(a=1) %}{{ ns.a }}",
    "with": "{% with x = lead %}{{ x }}{% endwith %}",
    "macro": "{% macro m() %}{{ caller() }}{% endmacro %}{{ m() }}",
    "call block": "{% call lead.name() %}x{% endcall %}",
    "include by value": "{% include lead.name %}",
    "include of a file": "{% include '/etc/passwd' %}",
    "include of a list": "{% include [lead.name, '_partials/a.html'] %}",
    "include of a concatenation": "{% include '_partials/' ~ lead.name %}",
    "include by a filter": "{% include lead.name | default('_partials/a.html') %}",
    "include of a choice": "{% include '_partials/a.html' if lead.name else '/etc/passwd' %}",
    "include up the folders": "{% include '_partials/../../../etc/passwd' %}",
    "include of a missing file": "{% include '_partials/b.html' ignore missing %}",
    "include of the loop's item": "{% for a in timeline %}{% include a.at %}{% endfor %}",
    "import": "{% import 'os' as os %}",
    "from import": "{% from 'a' import b %}",
    "layout by value": "{% extends lead.name %}",
    "layout outside of the folder": "{% extends '../../etc/passwd' %}",
    "escaping off": "{% autoescape false %}{{ lead.name }}{% endautoescape %}",
    "safe": "{{ lead.name | safe }}",
    "filter block": "{% filter upper %}x{% endfilter %}",
    "huge range": "{% for i in range(99999999) %}x{% endfor %}",
    "loop over text": "{% for c in lead.name %}x{% endfor %}",
    "loop over a literal": "{% for i in [1, 2, 3] %}x{% endfor %}",
    "loop that calls itself": "{% for i in timeline recursive %}{{ loop(timeline) }}{% endfor %}",
    "loop in a loop": "{% for a in timeline %}{% for b in timeline %}x{% endfor %}{% endfor %}",
    "loop in a loop's if": "{% for a in timeline %}{% if 1 %}{% for b in mails %}{% endfor %}{% endif %}{% endfor %}",
    "loop that hides the lead": "{% for lead in timeline %}{{ lead.at }}{% endfor %}",
    "cycle of a loop": "{% for a in timeline %}{{ loop.cycle('a', 'b') }}{% endfor %}",
    "power tower": "{{ 9 ** 9 ** 9 ** 9 }}",
    "shift by multiplication": "{{ 'a' * 999999999 }}",
    "doubling": "{{ lead.name ~ lead.name ~ lead.name }}",
    "doubling by plus": "{{ lead.name + lead.name }}",
    "lorem ipsum": "{{ lipsum(n=100000) }}",
    "word wrap": "{{ lead.name | wordwrap(1) }}",
    "slice": "{{ lead.name | slice(100000000) | list }}",
    "batch": "{{ lead.name | batch(1) | list }}",
    "center": "{{ lead.name | center(999999999) }}",
    "indent": "{{ lead.name | indent(999999999) }}",
    "pretty print": "{{ lead | pprint }}",
    "json of everything": "{{ lead | tojson }}",
    "group by": "{{ timeline | groupby('at') }}",
    "truncate to a huge length": "{{ lead.name | truncate(999999999999) }}",
    "number of a huge width": "{{ lead.name | number(999999999) }}",
    "join of a huge separator": "{{ timeline | join('" + "x" * 5000 + "') }}",
    "arguments out of a value": "{{ lead.name | truncate(*timeline) }}",
    "slice of a value": "{{ lead.name[0:999999999] }}",
    "index by value": "{{ timeline[score.total] }}",
    "endless number": "{{ " + "9" * 5000 + " }}",
    "deep brackets": "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
    "deep negation": "{{ " + "not " * 5000 + "1 }}",
    "long chain of filters": "{{ lead.name" + " | upper" * 5000 + " }}",
    "deep conditions": "{% if lead.name %}" * 300 + "{% endif %}" * 300,
    "long comparison": "{{ 1" + " == 1" * 20_000 + " }}",
    "endless template": "x" * 300_000,
    "print of a whole record": "{{ lead }}",
    "raw braces": "{% raw %}{{ lead.name }}{% endraw %}",
}

# What the sandbox must stop by itself, were a template ever to get past the policy.
ESCAPES = [
    name
    for name in HOSTILE
    if name.startswith(("class", "globals", "the ", "a method", "format", "call of", "power", "shift", "doubling by"))
]


def run_unchecked(template: str, context: dict[str, Any]) -> str:
    """Render a template that no policy has seen."""
    environment = build_environment({"unchecked.txt": template})
    return environment.get_template("unchecked.txt").render(framer(EMAIL_FIELDS)(context))


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_template_is_refused_at_once(name):
    # Of this thread alone: a Prefect server's client may be at work in others.
    begun = time.thread_time()
    report = inspect_template(HOSTILE[name], file="hostile.txt", fields={**EMAIL_FIELDS, **BRIEF_FIELDS})
    spent = time.thread_time() - begun
    assert report.refused
    assert all(problem.message and problem.remedy and problem.line == 1 for problem in report.problems)
    assert spent < 2


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_template_stays_refused_where_partials_and_layouts_are_known(name):
    report = inspect_template(
        HOSTILE[name],
        file="hostile.html",
        fields={**EMAIL_FIELDS, **BRIEF_FIELDS},
        html=True,
        layouts=["_layout.html"],
        partials=["_partials/a.html"],
    )
    assert report.refused


@pytest.mark.parametrize("name", [name for name in HOSTILE if len(HOSTILE[name]) < 10_000])
@pytest.mark.parametrize("body", ["html", "mjml", "partial", "layout"])
def test_a_hostile_template_gets_into_an_e_mail_by_no_door(name, body):
    hostile = HOSTILE[name]
    page = "<mjml><mj-body><mj-section><mj-column><mj-text>{}</mj-text></mj-column></mj-section></mj-body></mjml>"
    source = {
        "html": email("", html=f"<style>p {{}}</style><p>{hostile}</p>"),
        "mjml": email("", mjml=page.format(hostile)),
        "partial": email("", html='{% include "_partials/x.html" %}', partials={"_partials/x.html": hostile}),
        "layout": email("", html='{% extends "_layout.html" %}', layouts={"_layout.html": hostile}),
    }[body]
    with pytest.raises(BrokenEmail):
        Renderer([source], {**EMAIL_FIELDS, **BRIEF_FIELDS}).render("hello", None, full())


def test_judging_a_hostile_template_takes_little_memory():
    tracemalloc.start()
    for template in HOSTILE.values():
        if len(template) < 10_000:  # the watching makes the long ones slow, and they are cut off by their length
            inspect_template(template, file="hostile.txt", fields={**EMAIL_FIELDS, **BRIEF_FIELDS})
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 16 * 1024 * 1024


@pytest.mark.parametrize("name", ESCAPES)
def test_the_sandbox_alone_stops_a_template_that_reaches_for_python(name, monkeypatch):
    monkeypatch.setenv("RIPEN_SECRET", CANARY)
    with pytest.raises((TemplateError, TypeError)) as stopped:
        run_unchecked(HOSTILE[name], {"lead": {"name": "Anna"}})
    assert CANARY not in str(stopped.value)


def test_a_usual_template_passes():
    usual = (
        "{% if lead.company and lead.country in ['DK', 'SE'] %}{{ lead.company | upper | truncate(30) }}{% else %}"
        "{{ lead.first_name | title | default('there') }}{% endif %}"
        "{{ 'you' if lead.language == 'da' else 'them' }}{% if event.title is defined %}{{ event.title }}{% endif %}"
        "{{ event.starts_at | date('long') | default('soon') }}{# a comment #}"
    )
    assert inspect_template(usual, file="usual.txt", fields=EMAIL_FIELDS).problems == []


def test_a_loop_over_a_declared_list_passes():
    loop = "{% for each in mails %}{{ loop.index }} {{ each.subject | default('-') }}{% else %}none{% endfor %}"
    assert inspect_template(loop, file="brief.md", fields=BRIEF_FIELDS).problems == []


@pytest.mark.parametrize(
    ("template", "code", "message", "remedy"),
    [
        ("{{ lead.first_nme }}", "unknown-field", "`lead` has no field `first_nme`", "did you mean `first_name`?"),
        ("{{ leed.name }}", "unknown-field", "`leed` is not known here", "did you mean `lead`?"),
        ("{{ project.name | uper }}", "unknown-filter", "there is no filter `uper`", "did you mean `upper`?"),
        (
            "{% if lead is definde %}{% endif %}",
            "unknown-test",
            "there is no test `is definde`",
            "did you mean `defined`?",
        ),
        (
            "{{ project.name | truncate('x') }}",
            "filter-argument",
            "`truncate` does not take this argument",
            "write `| truncate(60)`",
        ),
        (
            "{{ project.name | e }}",
            "filter-escape",
            "the text part is not HTML and needs no escaping",
            "remove `| e`",
        ),
        (
            "{{ project.name.upper }}",
            "unknown-field",
            "`project.name` is one value and has no `upper`",
            "use a filter, such as `| upper`",
        ),
        (
            "{{ 'a' if lead.name }}",
            "template-if",
            "an `if` inside braces needs its `else`",
            'write `{{ a if b else "" }}`',
        ),
    ],
)
def test_a_mistake_is_said_with_its_line_and_the_nearest_right_name(template, code, message, remedy):
    report = inspect_template(f"Hello\n\n{template}", file="emails/x/text.txt", fields=EMAIL_FIELDS)
    assert report.problems == [Problem("emails/x/text.txt", 3, 1, code, "error", message, remedy)]


def test_a_field_that_may_be_missing_is_a_warning_until_it_has_a_default_or_is_needed():
    def codes(template: str, needs: tuple[str, ...] = ()) -> list[str]:
        report = inspect_template(template, file="text.txt", fields=EMAIL_FIELDS, needs=needs)
        return [f"{problem.severity} {problem.code}" for problem in report.problems]

    assert codes("{{ lead.company }}") == ["warning field-may-be-missing"]
    assert codes("{{ lead.company or account.name }}") == ["warning field-may-be-missing"]
    assert codes("{{ lead.company | upper }}") == ["warning field-may-be-missing"]
    assert codes("{{ lead.company | default('you') }}") == []
    assert codes("{{ lead.company or 'you' }}") == []
    assert codes("{% if lead.company %}{{ lead.company }}{% endif %}") == []
    assert codes("{{ lead.company }}", needs=("lead.company",)) == []
    assert codes("{{ project.name }}") == []


def test_the_profile_fields_of_a_project_are_known():
    fields = with_profile_fields(["budget"])
    assert inspect_template("{{ lead.budget | default('-') }}", file="x", fields=fields).problems == []
    assert inspect_template("{{ lead.budget | default('-') }}", file="x", fields=EMAIL_FIELDS).refused


@pytest.mark.parametrize(
    ("html", "code"),
    [
        ('<a href="{{ lead.name | default("x") }}">x</a>', "html-address"),
        ('<a href="{{ event.url or lead.name }}">x</a>', "html-address"),
        ("<a href={{ links.website }}>x</a>", "html-attribute"),
        ('<p {{ project.name }}="x">x</p>', "html-attribute"),
        ('<p style="color: {{ project.name }}">x</p>', "html-attribute"),
        ("<{{ project.name }}>x", "html-attribute"),
        ("<!-- {{ links.unsubscribe }} -->", "html-attribute"),
        ("<script>x</script>", "html-active"),
        ('<p onclick="x">x</p>', "html-active"),
        ('<a href="javascript:x">x</a>', "html-active"),
        ("<iframe src='x'></iframe>", "html-active"),
        ("<form action='x'></form>", "html-active"),
        ("<p>{{ project.name | e | upper }}</p>", "filter-escape"),
    ],
)
def test_html_that_would_let_a_value_act_is_refused(html, code):
    problems = errors_in(email_problems(email(html=html)))
    assert [problem.code for problem in problems] == [code]


def test_links_stand_in_quoted_attributes():
    html = '<a href="{{ links.website }}/a" title=\'{{ project.name }}\'>x</a><img alt="{{ project.name }}" src="https://example.com/x.png">'
    assert email_problems(email(html=html)) == []


LAYOUTS = {
    "_layout.html": '<p>{% block body %}{% endblock %}</p><a href="{{ links.unsubscribe }}">x</a>'
    "<p>{% block foot %}{{ project.postal_address }}{% endblock %}</p>",
    "_layout.txt": "{% block body %}{% endblock %}\n{{ links.unsubscribe }}\n{{ project.postal_address }}",
}


def marketing_problems(text: str, html: str) -> list[tuple[str, str]]:
    source = email(text, html=html, kind="marketing", layouts=LAYOUTS)
    return [(problem.file.removeprefix("emails/hello/"), problem.code) for problem in email_problems(source)]


IN_TEXT = '{% extends "_layout.txt" %}{% block body %}Hi{% endblock %}'
IN_HTML = '{% extends "_layout.html" %}{% block body %}Hi{% endblock %}'


def test_a_marketing_mail_shows_address_and_unsubscribe_link_through_its_layout():
    assert marketing_problems(IN_TEXT, IN_HTML) == []


@pytest.mark.parametrize(
    ("text", "html", "file", "count"),
    [
        ("Hi", IN_HTML, "text.txt", 2),
        (IN_TEXT, "<p>Hi</p>", "body.html", 2),
        ("{{ links.unsubscribe }}", IN_HTML, "text.txt", 1),
        ("{% if lead.name %}{{ links.unsubscribe }}{% endif %}{{ project.postal_address }}", IN_HTML, "text.txt", 1),
        ("{{ links.unsubscribe | default('') }}{{ project.postal_address }}", IN_HTML, "text.txt", 1),
        (IN_TEXT, IN_HTML + "{% block foot %}{% endblock %}", "body.html", 1),
    ],
)
def test_a_marketing_mail_without_address_or_unsubscribe_link_in_either_part_is_refused(text, html, file, count):
    assert marketing_problems(text, html) == [(file, "marketing-obligation")] * count


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('{% extends "_layot.txt" %}', "template-layout"),
        ('{% extends "_layout.html" %}', "template-layout"),
        ('{% extends "_layout.txt" %}{% block bdy %}x{% endblock %}', "template-block"),
        ('{% extends "_layout.txt" %}Lost words', "template-outside-block"),
        ("{% block body %}x{% endblock %}", "template-block"),
    ],
)
def test_a_layout_used_wrongly_is_said(text, code):
    source = email(text, layouts=LAYOUTS)
    assert [problem.code for problem in errors_in(email_problems(source))] == [code]


PIECES = [
    "{{ ", " }}", "{% if ", " %}", "{% else %}", "{% endif %}", "{% for x in ", "{% endfor %}",
    "lead", "lead.first_name", "event.title", "project.name", "links", ".website", ".__class__", "'a'", "1", "text",
    " | upper", " | default('x')", " | length", " | date", " | number", "()", "[0]", "[:2]", "(", ")", "[", "]", ", ",
    " == ", " < ", " in ", " and ", " or ", "not ", " if ", " else ", " is ", "defined", "odd", " + ",
]  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), max_size=12), st.booleans())
def test_whatever_is_written_the_answer_is_problems_or_a_template_that_the_sandbox_lets_run(pieces, known):
    template = "{{ " * known + "".join(pieces) + " }}" * known
    if not inspect_template(template, file="x.txt", fields=EMAIL_FIELDS).refused:
        try:
            run_unchecked(template, full() if known else certain())
        except SecurityError as stopped:
            pytest.fail(f"{template!r} passed the policy: {stopped}")
        except (TemplateError, TypeError, ArithmeticError):
            pass  # a missing field, or a comparison of a number with a text: that lead is held
