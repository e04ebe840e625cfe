from __future__ import annotations

from app.testing import test_application


def test_it_greets_and_says_back_what_it_hears() -> None:
    with test_application(base=["app.modules.echo.module"]) as chat:
        session = chat.websocket("/echo")
        assert session.receive() == "You are connected!"
        for said in ("Hello", "", "é🙂"):
            session.send(b"ignored")
            session.send(said)
            assert session.receive() == f"You said: {said}"
