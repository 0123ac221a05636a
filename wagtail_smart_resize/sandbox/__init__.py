"""A local stand-in for the gateway, to develop, demonstrate and test a site without a key.

It represents another party's server, so it shares nothing with the code that talks to it.
"""

from .gateway import SandboxGateway

__all__ = ["SandboxGateway"]
