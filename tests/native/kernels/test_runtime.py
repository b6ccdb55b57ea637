"""What the kernels find out about the machine."""

import pytest

from kerasish_native._load import load_kernels

V2 = "0::/{path}\n"
V1 = "4:memory:/x\n2:cpu,cpuacct:/{path}\n1:name=systemd:/\n"


def write(folder, **files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        ("max 100000", 0),
        ("200000 100000", 2),
        ("50000 100000", 1),
        ("250000 100000", 3),
        ("", 0),
        ("nonsense", 0),
    ],
)
def test_the_quota_of_a_control_group_is_rounded_up(tmp_path, limit, expected):
    write(tmp_path / "a", cpu__max=limit)
    assert load_kernels().cgroup_cpus(V2.format(path="a"), str(tmp_path)) == expected


def test_the_tightest_group_above_counts(tmp_path):
    write(tmp_path / "a", cpu__max="100000 100000")
    write(tmp_path / "a" / "b", cpu__max="800000 100000")
    assert load_kernels().cgroup_cpus(V2.format(path="a/b"), str(tmp_path)) == 1


def test_a_container_sees_its_own_group_as_the_mount(tmp_path):
    write(tmp_path, cpu__max="300000 100000")
    assert load_kernels().cgroup_cpus(V2.format(path="docker/1234"), str(tmp_path)) == 3


@pytest.mark.parametrize(("quota", "expected"), [("-1", 0), ("150000", 2)])
def test_the_first_version_of_control_groups_has_its_own_files(tmp_path, quota, expected):
    write(tmp_path / "cpu,cpuacct" / "job", cpu__cfs_quota_us=quota, cpu__cfs_period_us="100000")
    assert load_kernels().cgroup_cpus(V1.format(path="job"), str(tmp_path)) == expected


def test_no_control_groups_mean_no_quota(tmp_path):
    assert load_kernels().cgroup_cpus("", str(tmp_path)) == 0
