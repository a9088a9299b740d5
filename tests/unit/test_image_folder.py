import numpy as np
import pytest
from PIL import Image

from hanas.core.errors import InputError
from hanas.data.datasets import image_folder


def write_picture(path, seed, size=(12, 9)):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def pets(tmp_path):
    """Two classes of ten images of different sizes and suffixes."""
    for label, name in enumerate(("cat", "dog")):
        for i in range(10):
            suffix = (".png", ".jpg", ".BMP")[i % 3]
            write_picture(tmp_path / "pets" / name / f"{i}{suffix}", 10 * label + i, (9 + i, 12))
    return tmp_path / "pets"


def load_pets(pets, **settings):
    return of_pets(**settings).load(pets.parent, pets.parent / "d")


def of_pets(**settings):
    settings = {"kind": "image_folder", "folder": "pets", "resolution": 8, **settings}
    return image_folder.ImageFolder.read(settings)


def test_class_folders_are_split_by_seed_class_by_class(pets):
    data = load_pets(pets, validation_fraction=0.2, test_fraction=0.3)
    assert data.images.shape == (20, 8, 8, 3)
    assert data.classes == ("cat", "dog")
    assert data.labels.tolist() == [0] * 10 + [1] * 10
    for name, size in (("train", 5), ("validation", 2), ("test", 3)):
        assert np.bincount(data.labels[data.splits[name]]).tolist() == [size, size]
    again = load_pets(pets, validation_fraction=0.2, test_fraction=0.3)
    np.testing.assert_array_equal(again.images, data.images)
    assert again.splits["test"].tolist() == data.splits["test"].tolist()
    assert again.sources == data.sources
    other = load_pets(pets, validation_fraction=0.2, test_fraction=0.3, split_seed=1)
    assert other.splits["test"].tolist() != data.splits["test"].tolist()


def test_folder_may_be_absolute_and_leftovers_of_file_managers_do_not_count(pets):
    data = load_pets(pets)
    (pets / ".DS_Store").write_bytes(b"x")
    (pets / "README.txt").write_text("My pets.")
    (pets / "cat" / "Thumbs.db").write_bytes(b"x")
    same = load_pets(pets, folder=str(pets))
    assert same.sources == data.sources


def test_digest_depends_on_names_and_contents(pets):
    before = load_pets(pets).sources[0]["checksum"]
    (pets / "cat" / "0.png").rename(pets / "cat" / "00.png")
    renamed = load_pets(pets).sources[0]["checksum"]
    write_picture(pets / "cat" / "00.png", 99)
    changed = load_pets(pets).sources[0]["checksum"]
    assert len({before, renamed, changed}) == 3


@pytest.mark.parametrize("name", ["val", "validation"])
def test_given_splits_are_kept(tmp_path, name):
    for part, size in (("train", 3), (name, 2), ("test", 1)):
        for label in ("cat", "dog"):
            for i in range(size):
                write_picture(tmp_path / "pets" / part / label / f"{i}.png", i)
    data = load_pets(tmp_path / "pets")
    assert {part: indices.tolist() for part, indices in data.splits.items()} == {
        "train": [0, 1, 2, 3, 4, 5],
        "validation": [6, 7, 8, 9],
        "test": [10, 11],
    }
    assert data.labels.tolist() == [0, 0, 0, 1, 1, 1, 0, 0, 1, 1, 0, 1]


def test_split_that_no_folder_gives_is_drawn_from_the_training_images(tmp_path):
    for part, size in (("train", 10), ("test", 2)):
        for label in ("cat", "dog"):
            for i in range(size):
                write_picture(tmp_path / "pets" / part / label / f"{i}.png", i)
    data = load_pets(tmp_path / "pets", validation_fraction=0.3)
    assert data.splits["test"].tolist() == [20, 21, 22, 23]
    assert len(data.splits["validation"]) == 6
    assert data.splits["validation"].max() < 20


def empty_class(pets):
    (pets / "bird").mkdir()


def unreadable_image(pets):
    (pets / "dog" / "3.png").write_bytes((pets / "dog" / "3.png").read_bytes()[:80])


def other_file(pets):
    (pets / "dog" / "notes.txt").write_text("Rex")


def disguised_file(pets):
    (pets / "dog" / "notes.png").write_text("Rex")


def loose_image(pets):
    write_picture(pets / "lost.png", 0)


def nested_folder(pets):
    (pets / "dog" / "puppies").mkdir()


def link_out(pets):
    write_picture(pets.parent / "outside.png", 0)
    (pets / "dog" / "linked.png").symlink_to(pets.parent / "outside.png")


def folder_link_out(pets):
    write_picture(pets.parent / "outside" / "0.png", 0)
    (pets / "wolf").symlink_to(pets.parent / "outside")


def link_to_itself(pets):
    (pets / "dog" / "loop.png").symlink_to(pets / "dog" / "loop.png")


def too_few(pets):
    write_picture(pets / "bird" / "0.png", 0)
    write_picture(pets / "bird" / "1.png", 0)


def reserved_name(pets):
    write_picture(pets / "test" / "0.png", 0)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (empty_class, "class 'bird' is empty"),
        (unreadable_image, r"dog/3\.png: not readable as a picture"),
        (other_file, r"dog/notes\.txt: not an image; expected one of \.bmp, \.gif"),
        (disguised_file, r"dog/notes\.png: not readable as a picture"),
        (loose_image, r"lost\.png: this image is in no class folder"),
        (nested_folder, "dog/puppies: a folder in a class folder"),
        (link_out, r"dog/linked\.png: a link that leads out"),
        (folder_link_out, r"wolf/0\.png: a link that leads out"),
        (link_to_itself, r"dog/loop\.png: (a link that leads out|not an image)"),
        (too_few, r"pets: class 'bird' has 2 image\(s\) and 3 parts to fill"),
        (reserved_name, "pets: has cat, dog, test; expected train"),
    ],
)
def test_spoiled_folder_is_refused_and_the_place_named(pets, spoil, message):
    load_pets(pets)
    spoil(pets)
    with pytest.raises(InputError, match=message):
        load_pets(pets)


def test_missing_or_empty_folder(tmp_path):
    with pytest.raises(InputError, match="pets: there is no such folder"):
        load_pets(tmp_path / "pets")
    (tmp_path / "pets").mkdir()
    with pytest.raises(InputError, match="pets: no class folders in it"):
        load_pets(tmp_path / "pets")
    write_picture(tmp_path / "pets" / "cat" / "0.png", 0)
    with pytest.raises(InputError, match=r"parts to fill|at least two"):
        load_pets(tmp_path / "pets")


def test_classes_must_be_the_same_in_each_split(tmp_path):
    for part, labels in (("train", ("cat", "dog")), ("test", ("cat", "wolf"))):
        for label in labels:
            write_picture(tmp_path / "pets" / part / label / "0.png", 0)
    with pytest.raises(InputError, match="test: its classes are not those of train: dog, wolf"):
        load_pets(tmp_path / "pets")
