"""Answers to calls: checks the key, keeps the jobs, applies the faults that were requested."""

import threading
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor

from wagtail_smart_resize.sandbox.faults.responses import refusal, spoilt
from wagtail_smart_resize.sandbox.faults.words import Faults, Step

from .contract import (
    KEY_HEADER,
    RESULT_PATH,
    Refusal,
    queued_body,
    read_json,
    read_order,
    read_request_id,
)
from .jobs import Job
from .requests import Call
from .responses import Reply, as_json

KEPT_JOBS = 200


class GatewayHandler:
    """Answers calls. ``latency`` and ``fetch_seconds`` are in seconds."""

    def __init__(self, faults: Faults, *, key: str, latency: float, fetch_seconds: float) -> None:
        self._faults = faults
        self._key = key
        self._latency = latency
        self._fetch_seconds = fetch_seconds
        self._lock = threading.Lock()
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._executor = ThreadPoolExecutor(4, thread_name_prefix="sandbox")

    def close(self) -> None:
        self._executor.shutdown(wait=True, cancel_futures=True)

    def settle(self, seconds: float) -> None:
        """Wait until the pictures of all jobs are made or have failed. Raises TimeoutError."""
        with self._lock:
            jobs = list(self._jobs.values())
        if not all(job.wait(seconds) for job in jobs):
            raise TimeoutError(f"The sandbox is still at work after {seconds} seconds.")

    def answer(self, call: Call, origin: str) -> tuple[Reply, str]:
        """Return the reply, and the word of the fault that it, or its sending, must show."""
        try:
            word = self._word(call)
        except Refusal as e:
            return e.reply, ""
        return refusal(word) or spoilt(self._correct_answer(call, origin), word), word

    def _word(self, call: Call) -> str:
        """Return the word of the fault for this call, or "".

        Raises Refusal for an unknown path or a wrong key, to which no fault applies.
        """
        if call.step is None:
            raise Refusal(404, "Resource not found", "The requested endpoint does not exist")
        if call.step is not Step.DOWNLOAD:
            self._authenticate(call)
        return self._faults.take(call.step, self._prompt(call))

    def _authenticate(self, call: Call) -> None:
        key = call.headers.get(KEY_HEADER)
        if key is None:
            raise Refusal(401, "Unauthorized", f"The header {KEY_HEADER} is missing")
        if key != self._key:
            raise Refusal(401, "Unauthorized", f"The key in {KEY_HEADER} is not valid")

    def _prompt(self, call: Call) -> str:
        """Return the prompt that applies to this call, and record the faults in a new one."""
        if call.step is not Step.SUBMIT:
            job = self._find(call.request_id)
            return job.order.prompt if job else ""
        prompt = call.body.get("prompt", "") if isinstance(call.body, dict) else ""
        try:
            self._faults.read_prompt(str(prompt))
        except ValueError as e:
            raise Refusal(400, "Invalid prompt", str(e)) from e
        return str(prompt)

    def _correct_answer(self, call: Call, origin: str) -> Reply:
        try:
            if call.step is Step.SUBMIT:
                return self._accept(call, origin)
            if call.step is Step.STATUS:
                return self._report_status(call, origin)
            return self._serve_result(call)
        except Refusal as e:
            return e.reply

    def _accept(self, call: Call, origin: str) -> Reply:
        order = read_order(read_json(call.content, call.headers.get("Content-Type", "")))
        words = self._faults.take_all(Step.JOB, order.prompt)
        job = Job(order, words, latency=self._latency)
        job.start(self._executor, self._fetch_seconds)
        self._keep(job)
        if "immediate" in words:
            return as_json(job.immediate_payload(origin))
        return as_json(queued_body(job.request_id, origin))

    def _report_status(self, call: Call, origin: str) -> Reply:
        if call.path == RESULT_PATH:
            read_request_id(read_json(call.content, call.headers.get("Content-Type", "")))
        return as_json(self._job(call.request_id).status_payload(origin))

    def _serve_result(self, call: Call) -> Reply:
        reply = self._job(call.request_id).result(call.file_name)
        if reply is None:
            raise Refusal(404, "Resource not found", "There is no such result")
        return reply

    def _keep(self, job: Job) -> None:
        with self._lock:
            self._jobs[job.request_id] = job
            if len(self._jobs) > KEPT_JOBS:
                self._jobs.popitem(last=False)

    def _job(self, request_id: str) -> Job:
        job = self._find(request_id)
        if job is None:
            raise Refusal(404, "Resource not found", "There is no request with this request_id")
        return job

    def _find(self, request_id: str) -> Job | None:
        with self._lock:
            return self._jobs.get(request_id)
