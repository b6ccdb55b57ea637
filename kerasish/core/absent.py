"""What Keras 3 offers and kerasish does not, by module, and what to do instead.

Every public name of Keras 3 is either offered or stands here, so that a script that needs one hears so.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import NoReturn

_AUGMENT = "change images in a generator or a PyDataset, or write a layer with ops.image and kerasish.random"
_FRAMEWORK = "a layer of one framework runs on no other engine: write it with kerasish.ops"
_PREPARE = "prepare data before fit (NumPy, pandas, scikit-learn), or write a layer with kerasish.ops"
_QUANTIZE = "weights are kept in the dtypes of dtype policies; kerasish.ops takes int8 products"
_LOGGING = "fit(verbose=2) writes a line an epoch, and so does fit in a log file"
_FILES = (
    "read files with a library that knows them (Pillow, imageio, soundfile) and pass arrays or a PyDataset"
)
_SCOPES = (
    "nothing to enter: steps are pure on every engine; see Layer.stateless_call and Optimizer.stateless_apply"
)

_LAYERS = {
    "ConvLSTM1D ConvLSTM2D ConvLSTM3D": "write one step as a cell with ops.conv and wrap it in layers.RNN",
    "CategoryEncoding Discretization HashedCrossing Hashing IntegerLookup MelSpectrogram Pipeline STFTSpectrogram "
    "StringLookup TextVectorization": _PREPARE,
    "AugMix AutoContrast ContrastLimitedAdaptiveHistogramEqualization CutMix Equalization MaxNumBoundingBoxes MixUp "
    "RandAugment RandomBrightness RandomColorDegeneration RandomColorJitter RandomContrast RandomCrop "
    "RandomElasticTransform RandomErasing RandomFlip RandomGaussianBlur RandomGrayscale RandomHue RandomInvert "
    "RandomPerspective RandomPosterization RandomRotation RandomSaturation RandomSharpness RandomShear "
    "RandomTranslation RandomZoom Solarization": _AUGMENT,
    "FlaxLayer JaxLayer TFSMLayer TorchModuleWrapper": _FRAMEWORK,
    "ReversibleEmbedding": "Embedding, and ops.matmul with its transposed `embeddings`",
}
_TOP = {
    "Function": "Model(inputs, outputs) runs a graph too",
    "Operation": "write a Layer; its call may be any function of tensors",
    "Quantizer quantizers": _QUANTIZE,
    "RematScope remat": "engines keep what gradients need; smaller batches need less memory",
    "StatelessScope SymbolicScope": _SCOPES,
    "applications": "load a pretrained model's .keras file with models.load_model",
    "distillation": "train the student with a custom train_step, see docs/custom-layers.md",
    "distribution": "kerasish uses one device: kerasish.device chooses it",
    "export": "model.save writes a .keras file, which Keras 3 reads and exports",
    "legacy": "only the names of Keras 3 are offered",
    "name_scope": "names are given to layers: Layer(name=...)",
    "preprocessing": _PREPARE,
    "wrappers": "a class of a few lines with fit and predict makes a model an estimator of scikit-learn",
}
_CONFIG = {
    "disable_flash_attention enable_flash_attention is_flash_attention_enabled": "engines choose their kernels",
    "disable_interactive_logging enable_interactive_logging is_interactive_logging_enabled": _LOGGING,
    "disable_traceback_filtering enable_traceback_filtering is_traceback_filtering_enabled": (
        "errors of kerasish name the layer and hide nothing: there is no filter"
    ),
    "enable_unsafe_deserialization": "give safe_mode=False where a file you trust is loaded",
    "is_nnx_enabled": "variables are kerasish's own on every engine",
    "max_epochs max_steps_per_epoch set_max_epochs set_max_steps_per_epoch": "give fit epochs and steps_per_epoch",
}
_UTILS = {
    "Config": "a dict or a dataclass holds settings",
    "FeatureSpace": _PREPARE,
    "Progbar": "fit shows progress; for loops of your own there is rich.progress",
    "array_to_img audio_dataset_from_directory bounding_boxes image_dataset_from_directory img_to_array load_img "
    "save_img text_dataset_from_directory": _FILES,
    "disable_interactive_logging enable_interactive_logging is_interactive_logging_enabled": _LOGGING,
    "get_file": "nothing is downloaded: fetch the file and give its path",
    "get_source_inputs": "see Model.inputs",
    "legacy": "only the names of Keras 3 are offered",
    "split_dataset": "slice the arrays, or give fit a validation_split",
    "timeseries_dataset_from_array": "numpy.lib.stride_tricks.sliding_window_view makes the windows",
}
_COMPLEX = "complex numbers are pairs of real tensors, as in ops.fft"
_DTYPES = {
    "AWQDTypePolicy GPTQDTypePolicy Int4DTypePolicy QuantizedDTypePolicy QuantizedFloat8DTypePolicy": _QUANTIZE,
    "DTypePolicyMap": "give layers their own dtype=",
}

#: Module -> names, apart by spaces -> what to do instead.
TABLE: Mapping[str, Mapping[str, str]] = {
    "kerasish": _TOP,
    "kerasish.backend": {"get_uid": "names are given to layers: Layer(name=...)"},
    "kerasish.callbacks": {"OrbaxCheckpoint": "ModelCheckpoint writes files that every engine reads"},
    "kerasish.config": _CONFIG,
    "kerasish.dtype_policies": _DTYPES,
    "kerasish.layers": _LAYERS,
    "kerasish.losses": {
        "CTC ctc": "any function is a loss: give compile one that calls ops.ctc_loss",
        "Circle circle": "any function is a loss: write it with kerasish.ops",
    },
    "kerasish.ops": {"eig": "ops.eigh, if symmetric", "view_as_complex view_as_real": _COMPLEX},
    "kerasish.optimizers": {
        "MultiOptimizer OptimizerMap": "call one optimizer for each group in a custom train_step",
        "legacy": "only the names of Keras 3 are offered",
    },
    "kerasish.saving": {
        "KerasFileEditor": "a .keras file is a zip archive with the weights as HDF5: see h5py"
    },
    "kerasish.tree": {
        "MAP_TO_NONE assert_same_paths lists_to_tuples map_shape_structure map_structure_up_to traverse": (
            "tree.map_structure and tree.flatten_with_path"
        )
    },
    "kerasish.utils": _UTILS,
    "kerasish.visualization": {
        "draw_bounding_boxes draw_segmentation_masks plot_bounding_box_gallery plot_image_gallery "
        "plot_segmentation_mask_gallery": "draw with Matplotlib"
    },
}


def explaining(module: str) -> Callable[[str], NoReturn]:
    """The `__getattr__` of a module: tells names of Keras 3 that are not offered from names that never were.

    Example:
        >>> import kerasish
        >>> kerasish.ops.eig
        Traceback (most recent call last):
        AttributeError: module 'kerasish.ops' has no attribute 'eig', which Keras 3 has. Try: ops.eigh, if symmetric
    """
    hints = {name: hint for names, hint in TABLE[module].items() for name in names.split()}

    def absent(name: str) -> NoReturn:
        problem = f"module {module!r} has no attribute {name!r}"
        if name in hints:
            raise AttributeError(f"{problem}, which Keras 3 has. Try: {hints[name]}", name=name)
        # Python finds the nearest name when it prints this.
        raise AttributeError(problem, name=name, obj=sys.modules[module])

    return absent
