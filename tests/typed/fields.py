"""What a site's developers see of the models' fields: `check_examples.py` runs mypy on it."""

import datetime as dt
from decimal import Decimal
from typing import assert_type

from django.contrib.auth.models import User
from django.db.models.fields.files import FieldFile

from wagtail_smart_resize.models import Candidate, GatewayRequest, OptOut, Recomposition


def of_recomposition(row: Recomposition) -> None:
    assert_type(row.shape, Decimal)
    assert_type(row.recipe, str)
    assert_type(row.live, Candidate | None)
    assert_type(row.decision, str)
    assert_type(row.purchase, str)
    assert_type(row.failure_code, str)
    assert_type(row.asked_by, User | None)
    assert_type(row.decided_by, User | None)
    assert_type(row.decided_at, dt.datetime | None)
    assert_type(row.request, GatewayRequest | None)
    assert_type(row.candidates.get(), Candidate)
    assert_type(Recomposition.objects.current().get(), Recomposition)


def of_candidate(candidate: Candidate) -> None:
    assert_type(candidate.recomposition, Recomposition)
    assert_type(candidate.request, GatewayRequest | None)
    assert_type(candidate.derived_from, Candidate | None)
    assert_type(candidate.file, FieldFile)
    assert_type(candidate.passed, bool | None)
    assert_type(candidate.score, float | None)
    assert_type(candidate.source_type, str)


def of_request(request: GatewayRequest) -> None:
    assert_type(request.status, str)
    assert_type(request.charged, str)
    assert_type(request.outputs_asked, int)
    assert_type(request.prompt, str)
    assert_type(request.created_at, dt.datetime)


def of_opt_out(opt_out: OptOut) -> None:
    assert_type(opt_out.reason, str)
