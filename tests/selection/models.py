"""Small models with random weights, built and saved as their libraries save them."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import torch

from vrm.selection.labels.taxonomy import taxonomy

COCO = taxonomy("coco-panoptic").classes
SWIN = {
    "model_type": "swin",
    "image_size": 64,
    "embed_dim": 12,
    "depths": [1, 1, 1, 1],
    "num_heads": [1, 1, 2, 2],
    "window_size": 4,
    "out_features": ["stage1", "stage2", "stage3", "stage4"],
}


def _labels(names=COCO):
    return {"id2label": dict(enumerate(names)), "label2id": {n: i for i, n in enumerate(names)}}


def confident(net, names):
    """Make random queries sure of a class each, so that something passes the thresholds of post-processing."""
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            if name.endswith(("class_predictor.weight", "class_embed.weight")):
                parameter.mul_(0).add_(torch.randn_like(parameter) * 30)
            if name.endswith(("class_predictor.bias", "class_embed.bias")):
                parameter.zero_()
                parameter[-1] = -1e4
            if "mask_embed" in name or "mask_head" in name:
                parameter.mul_(20)


def mask2former(folder: Path, seed=0) -> Path:
    from transformers import Mask2FormerConfig, Mask2FormerForUniversalSegmentation, Mask2FormerImageProcessor

    torch.manual_seed(seed)
    config = Mask2FormerConfig(
        backbone_config=dict(SWIN),
        feature_size=32,
        mask_feature_size=32,
        hidden_dim=32,
        encoder_feedforward_dim=32,
        dim_feedforward=32,
        encoder_layers=1,
        decoder_layers=2,
        num_attention_heads=4,
        num_queries=8,
        num_labels=len(COCO),
        **_labels(),
    )
    net = Mask2FormerForUniversalSegmentation(config)
    confident(net, COCO)
    net.save_pretrained(folder)
    Mask2FormerImageProcessor(size={"height": 64, "width": 96}, do_resize=True).save_pretrained(folder)
    return folder


def maskformer(folder: Path) -> Path:
    from transformers import (
        DetrConfig,
        MaskFormerConfig,
        MaskFormerForInstanceSegmentation,
        MaskFormerImageProcessor,
        MaskFormerSwinConfig,
    )

    torch.manual_seed(0)
    config = MaskFormerConfig(
        backbone_config=MaskFormerSwinConfig(**{k: v for k, v in SWIN.items() if k != "model_type"}),
        decoder_config=DetrConfig(
            d_model=32,
            encoder_layers=1,
            decoder_layers=1,
            encoder_ffn_dim=32,
            decoder_ffn_dim=32,
            encoder_attention_heads=2,
            decoder_attention_heads=2,
            num_queries=8,
        ),
        fpn_feature_size=32,
        mask_feature_size=32,
        **_labels(),
    )
    net = MaskFormerForInstanceSegmentation(config)
    confident(net, COCO)
    net.save_pretrained(folder)
    MaskFormerImageProcessor(size={"height": 64, "width": 96}).save_pretrained(folder)
    return folder


def eomt(folder: Path) -> Path:
    from transformers import EomtConfig, EomtForUniversalSegmentation, EomtImageProcessor

    torch.manual_seed(0)
    config = EomtConfig(
        hidden_size=32,
        num_hidden_layers=3,
        num_attention_heads=2,
        image_size=64,
        patch_size=8,
        num_queries=8,
        num_blocks=1,
        num_upscale_blocks=1,
        **_labels(),
    )
    net = EomtForUniversalSegmentation(config)
    confident(net, COCO)
    net.save_pretrained(folder)
    EomtImageProcessor(
        size={"shortest_edge": 64, "longest_edge": 64}, do_pad=True, do_split_image=False
    ).save_pretrained(folder)
    return folder


def oneformer(folder: Path) -> Path:
    from transformers import (
        CLIPTokenizer,
        OneFormerConfig,
        OneFormerForUniversalSegmentation,
        OneFormerImageProcessor,
        OneFormerProcessor,
    )

    torch.manual_seed(4)
    folder.mkdir(exist_ok=True)
    info = {str(i): {"name": n, "isthing": int(i < 80)} for i, n in enumerate(COCO)}
    (folder / "coco_panoptic.json").write_text(json.dumps(info))
    letters = [chr(c) for c in range(97, 123)]
    vocabulary = {
        w: i for i, w in enumerate([*letters, *(c + "</w>" for c in letters), "<|startoftext|>", "<|endoftext|>"])
    }
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    tokenizer = CLIPTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"))
    config = OneFormerConfig(
        backbone_config=dict(SWIN),
        num_queries=8,
        conv_dim=32,
        mask_dim=32,
        hidden_dim=32,
        encoder_feedforward_dim=32,
        encoder_layers=1,
        decoder_layers=2,
        use_task_norm=True,
        num_attention_heads=4,
        dim_feedforward=32,
        task_seq_len=77,
        text_encoder_width=32,
        text_encoder_num_layers=1,
        text_encoder_vocab_size=len(vocabulary),
        text_encoder_context_length=77,
        is_training=False,
        **_labels(),
    )
    net = OneFormerForUniversalSegmentation(config)
    confident(net, COCO)
    net.save_pretrained(folder)
    pictures = OneFormerImageProcessor(
        size={"height": 64, "width": 96}, repo_path=str(folder), class_info_file="coco_panoptic.json", num_text=0
    )
    OneFormerProcessor(pictures, tokenizer).save_pretrained(folder)
    return folder


TRANSFORMERS = {"mask2former": mask2former, "maskformer": maskformer, "eomt": eomt, "oneformer": oneformer}


def sam(path: Path) -> tuple[Path, torch.nn.Module]:
    from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, Sam, TwoWayTransformer

    torch.manual_seed(0)
    encoder = ImageEncoderViT(
        img_size=256,
        patch_size=16,
        embed_dim=32,
        depth=2,
        num_heads=2,
        mlp_ratio=2,
        out_chans=32,
        qkv_bias=True,
        norm_layer=partial(torch.nn.LayerNorm, eps=1e-6),
        use_rel_pos=True,
        window_size=7,
        global_attn_indexes=(1,),
    )
    transformer = TwoWayTransformer(depth=2, embedding_dim=32, mlp_dim=64, num_heads=8)
    decoder = MaskDecoder(
        num_multimask_outputs=3, transformer=transformer, transformer_dim=32, iou_head_depth=3, iou_head_hidden_dim=32
    )
    prompts = PromptEncoder(embed_dim=32, image_embedding_size=(16, 16), input_image_size=(256, 256), mask_in_chans=8)
    net = Sam(encoder, prompts, decoder).eval()
    if path.suffix == ".safetensors":
        from safetensors.torch import save_file

        save_file(net.state_dict(), path)
    else:
        torch.save(net.state_dict(), path)
    return path, net


def sam2(folder: Path, video: bool) -> Path:
    import transformers as tf

    torch.manual_seed(0)
    backbone = tf.Sam2HieraDetConfig(
        hidden_size=16, num_attention_heads=1, image_size=[128, 128], blocks_per_stage=[1, 1, 1, 1],
        embed_dim_per_stage=[16, 32, 64, 128], num_attention_heads_per_stage=[1, 1, 2, 2],
        window_positional_embedding_background_size=[4, 4], window_size_per_stage=[4, 4, 4, 4],
        global_attention_blocks=[],
    )  # fmt: skip
    vision = tf.Sam2VisionConfig(
        backbone_config=backbone, backbone_channel_list=[128, 64, 32, 16],
        backbone_feature_sizes=[[32, 32], [16, 16], [8, 8]], fpn_hidden_size=128,
    )  # fmt: skip
    shared = {
        "vision_config": vision,
        "prompt_encoder_config": {"hidden_size": 128, "image_size": 128},
        "mask_decoder_config": {
            "hidden_size": 128, "mlp_dim": 32, "iou_head_hidden_dim": 32, "num_attention_heads": 2,
        },
    }  # fmt: skip
    pictures = tf.Sam2ImageProcessor(size={"height": 128, "width": 128}, mask_size={"height": 32, "width": 32})
    if not video:
        tf.Sam2Model(tf.Sam2Config(**shared)).save_pretrained(folder)
        tf.Sam2Processor(pictures).save_pretrained(folder)
        return folder
    config = tf.Sam2VideoConfig(
        **shared, image_size=128, memory_attention_hidden_size=128, memory_attention_num_layers=1,
        memory_attention_feed_forward_hidden_size=32, memory_attention_rope_feat_sizes=[8, 8],
        memory_encoder_hidden_size=128, memory_encoder_output_channels=64, mask_downsampler_embed_dim=128,
        memory_fuser_embed_dim=128, memory_fuser_intermediate_dim=32,
    )  # fmt: skip
    tf.Sam2VideoModel(config).save_pretrained(folder)
    clips = tf.Sam2VideoVideoProcessor(size={"height": 128, "width": 128})
    tf.Sam2VideoProcessor(pictures, clips).save_pretrained(folder)
    return folder


MMSEG = """
norm_cfg = dict(type="BN", requires_grad=True)
model = dict(
    type="EncoderDecoder",
    data_preprocessor=dict(
        type="SegDataPreProcessor", mean=[123.7, 116.3, 103.5], std=[58.4, 57.1, 57.4], bgr_to_rgb=True, pad_val=0,
        seg_pad_val=255, size_divisor=32,
    ),
    pretrained=None,
    backbone=dict(
        type="MixVisionTransformer", in_channels=3, embed_dims=8, num_stages=4, num_layers=[1, 1, 1, 1],
        num_heads=[1, 1, 2, 4], patch_sizes=[7, 3, 3, 3], sr_ratios=[8, 4, 2, 1], out_indices=(0, 1, 2, 3), mlp_ratio=2,
    ),
    decode_head=dict(
        type="SegformerHead", in_channels=[8, 8, 16, 32], in_index=[0, 1, 2, 3], channels=16, dropout_ratio=0.1,
        num_classes=CLASSES, norm_cfg=norm_cfg, align_corners=False,
        loss_decode=dict(type="CrossEntropyLoss", use_sigmoid=False, loss_weight=1.0),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode="whole"),
)
test_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="Resize", scale=(128, 64), keep_ratio=True),
    dict(type="PackSegInputs"),
]
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
"""


def mmseg(folder: Path, classes=150) -> Path:
    from vrm.selection.labels.openmmlab import allow_mmseg

    allow_mmseg()
    from mmseg.apis import init_model

    torch.manual_seed(0)
    folder.mkdir(exist_ok=True)
    config = folder / "segformer.py"
    config.write_text(MMSEG.replace("CLASSES", str(classes)))
    net = init_model(str(config), None, device="cpu")
    torch.save({"state_dict": net.state_dict(), "meta": {"epoch": 1}}, folder / "segformer.pth")
    return folder
