"""From what a file says of actions to actions that can be run."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from towline.actions.log import LogAction
from towline.actions.notify import NotifyAction
from towline.actions.operations import OperationAction
from towline.actions.ports import Action, Around
from towline.actions.publish import PublishAction
from towline.actions.runner import AT_ONCE, Job
from towline.config.actions import Action as Settings
from towline.config.actions import Http, Log, Notify, Publish
from towline.config.operations import Operation


def jobs(
    settings: Iterable[Settings | Operation], around: Around, at_once: int = AT_ONCE
) -> list[Job]:
    """Actions in the order of the file; nothing is opened."""
    return [
        Job(
            kind=each.kind,
            action=_action(each, around),
            patience=each.patience,
            room=asyncio.Semaphore(at_once),
        )
        for each in settings
    ]


def _action(settings: Settings | Operation, around: Around) -> Action:
    match settings:
        case Publish():
            return PublishAction(settings, around)
        case Http():
            from towline.actions.http import HttpAction

            return HttpAction(settings, around.folder)
        case Notify():
            return NotifyAction(around)
        case Log():
            return LogAction(settings, around)
        case _:
            return OperationAction(settings, around)
