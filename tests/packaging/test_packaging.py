"""What a release holds and says of itself, and that the same facts in other files agree."""

import email
import itertools
import re
import tarfile
import zipfile

import flit_core.buildapi
import pytest
from support.paths import PAGES, ROOT

import wagtail_smart_resize

pytestmark = pytest.mark.any_version

PACKAGE = ROOT / "wagtail_smart_resize"
WORKFLOWS = ROOT / ".github" / "workflows"
DOCS = [str(page.relative_to(ROOT)) for page in PAGES.values()]


@pytest.fixture(scope="module")
def in_root():
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        yield


@pytest.fixture(scope="module")
def wheel(in_root, tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    with zipfile.ZipFile(folder / flit_core.buildapi.build_wheel(str(folder))) as archive:
        yield archive


@pytest.fixture(scope="module")
def sdist(in_root, tmp_path_factory):
    folder = tmp_path_factory.mktemp("sdist")
    with tarfile.open(folder / flit_core.buildapi.build_sdist(str(folder))) as archive:
        yield {name.partition("/")[2] for name in archive.getnames()}


@pytest.fixture(scope="module")
def metadata(wheel):
    (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    return email.message_from_bytes(wheel.read(name))


def package_files():
    files = (path for path in PACKAGE.rglob("*") if path.is_file())
    return {str(path.relative_to(ROOT)) for path in files if "__pycache__" not in path.parts}


class TestWheel:
    def test_holds_the_whole_package_and_nothing_else(self, wheel):
        ours = {name for name in wheel.namelist() if ".dist-info/" not in name}
        assert ours == package_files()

    @pytest.mark.parametrize(
        "pattern",
        [
            r"migrations/0001_initial\.py",
            r"templates/wagtail_smart_resize/.*\.html",
            r"static/wagtail_smart_resize/.*\.js",
            r"static/wagtail_smart_resize/.*\.css",
            r"management/commands/smart_resize_sync\.py",
            r"py\.typed",
        ],
    )
    def test_holds_what_is_no_code_too(self, wheel, pattern):
        assert any(
            re.fullmatch(f"wagtail_smart_resize/{pattern}", name) for name in wheel.namelist()
        )

    def test_every_translation_is_compiled(self, wheel):
        names = set(wheel.namelist())
        sources = {name for name in names if name.endswith(".po")}
        assert {name.replace(".po", ".mo") for name in sources} <= names

    def test_holds_the_licence(self, wheel):
        assert any(name.endswith(".dist-info/licenses/LICENSE") for name in wheel.namelist())


class TestMetadata:
    def test_names_the_package_and_its_version(self, metadata):
        assert metadata["Name"] == "wagtail-smart-resize"
        assert metadata["Version"] == wagtail_smart_resize.__version__
        assert metadata["License-Expression"] == "BSD-3-Clause"

    def test_the_readme_is_the_description(self, metadata):
        assert metadata.get_payload().strip() == (ROOT / "README.md").read_text().strip()

    def test_states_floors_and_no_caps(self, metadata):
        needed = [line for line in metadata.get_all("Requires-Dist") if "extra ==" not in line]
        assert {"Django>=5.2", "wagtail>=7.4"} <= set(needed)
        assert metadata["Requires-Python"] == ">=3.11"
        assert not [line for line in needed if "<" in line or "==" in line]

    @pytest.mark.parametrize(
        "classifier",
        ["Framework :: Wagtail", "Framework :: Django", "Typing :: Typed"],
    )
    def test_is_found_where_people_look(self, metadata, classifier):
        assert classifier in metadata.get_all("Classifier")

    def test_says_what_twine_and_people_ask_for(self, metadata):
        for field in ("Summary", "Author", "Keywords", "Description-Content-Type"):
            assert metadata[field], field


class TestSdist:
    def test_holds_what_its_tests_need(self, sdist):
        needed = {
            "CHANGELOG.md",
            "CONTRIBUTING.md",
            "docs/reference/settings.md",
            "testproject/demo.py",
            "testproject/demo/photos/ATTRIBUTION.md",
            ".github/workflows/nightly.yml",
            "tests/packaging/test_packaging.py",
            "tox.ini",
        }
        assert needed <= sdist

    @pytest.mark.parametrize("folder", ["docs", "testproject", "tests", "wagtail_smart_resize"])
    def test_holds_each_folder_whole(self, sdist, folder):
        files = (path for path in (ROOT / folder).rglob("*") if path.is_file())
        ours = {str(path.relative_to(ROOT)) for path in files if "__pycache__" not in path.parts}
        assert ours
        assert {name for name in ours if not name.startswith("testproject/var/")} <= sdist

    @pytest.mark.parametrize(
        "name", [".ci/run", ".ci/full", "LICENSE", "PKG-INFO", "README.md", "pyproject.toml"]
    )
    def test_holds_what_stands_at_its_top(self, sdist, name):
        assert name in sdist

    def test_holds_no_droppings(self, sdist):
        assert not [name for name in sdist if "__pycache__" in name or "testproject/var" in name]


class TestTheMatrix:
    """Versions are told to people by classifiers, and to tox by environments."""

    @staticmethod
    def environments():
        factors = r"py3(\d+)-django(\d)(\d)-wagtail(\d)(\d)"
        scripts = [ROOT / ".ci" / "run", ROOT / ".ci" / "full", *WORKFLOWS.iterdir()]
        return set(re.findall(factors, "".join(script.read_text() for script in scripts)))

    def test_runs_every_version_that_the_classifiers_name(self, metadata):
        prefixes = ("Programming Language :: Python :: 3.", "Framework :: Django :: ")
        named = {
            line.removeprefix(prefix)
            for prefix, line in itertools.product(prefixes, metadata.get_all("Classifier"))
            if line.startswith(prefix)
        }
        pythons = {python for python, *_ in self.environments()}
        djangos = {f"{major}.{minor}" for _, major, minor, *_ in self.environments()}
        assert pythons | djangos == named

    def test_runs_every_version_that_the_readme_names(self):
        readme = (ROOT / "README.md").read_text()

        def named(name):
            (row,) = re.findall(rf"^\| {name} \| (.+) \|$", readme, re.MULTILINE)
            return set(re.findall(r"\d+\.\d+", row))

        run = self.environments()
        assert named("Python") == {f"3.{python}" for python, *_ in run}
        assert named("Django") == {f"{major}.{minor}" for _, major, minor, *_ in run}
        assert named("Wagtail") == {f"{major}.{minor}" for *_, major, minor in run}

    def test_the_nightly_run_has_a_job_for_each_suite(self):
        suites = re.search(r"\nall=\(\n(.+?)\n\)", (ROOT / ".ci" / "full").read_text(), re.DOTALL)
        jobs = (WORKFLOWS / "nightly.yml").read_text().partition("suite:\n")[2]
        named = itertools.takewhile(lambda line: "- " in line, jobs.splitlines())
        assert [line.split()[1] for line in named] == suites[1].split()

    @pytest.mark.parametrize("beginning", ["python3 tests/run.py", "python3 testproject/demo.py"])
    def test_ci_runs_the_commands_of_the_readme(self, beginning):
        lines = (ROOT / "README.md").read_text().splitlines()
        (command,) = (line for line in lines if line.startswith(beginning))
        assert command in (ROOT / ".ci" / "run").read_text()
