"""The panel's widgets."""

from __future__ import annotations

from runicorn_jupyter.notebook.panel.form import ConnectForm, Question


def test_what_is_typed_is_sent_as_a_whole_before_the_button_that_is_pressed_next() -> None:
    form, question = ConnectForm(), Question()
    question.ask(
        "Code?", [("Code", True), ("PIN", False)], yes="Send", no="Cancel", done=lambda _answers: None
    )
    fields = [form.host, form.username, form.secret, form.key, form.save_as, *question.children[1:3]]
    assert [field.continuous_update for field in fields] == [False] * 7
