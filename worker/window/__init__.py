"""Events to views: texts as written and normalised, in overlapping windows; frames; clips cut where it is quiet."""

from worker.window.media import audio_views, image_views
from worker.window.normalise import normalise
from worker.window.rewriting import Normalised
from worker.window.text import joint_source, text_views

__all__ = ["Normalised", "audio_views", "image_views", "joint_source", "normalise", "text_views"]
