import subprocess
import sys


def test_the_package_imports_without_anything_heavy() -> None:
    heavy = ["torch", "ray", "optuna", "rookery", "sklearn", "scipy", "pandas", "pyarrow"]
    code = f"import sys, rookery_ensembles; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    assert done.stdout.strip() == "[]"
