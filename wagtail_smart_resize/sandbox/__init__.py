"""A local stand-in for the gateway: to develop, show and test a site without a key.

It stands for somebody else's machine, so it shares nothing with the code that talks to it.
"""

from .gateway import SandboxGateway

__all__ = ["SandboxGateway"]
