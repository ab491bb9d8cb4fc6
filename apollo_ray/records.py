"""The row types that pass between stages: one Arrow schema each, and nothing else.

raw files -> DOCUMENT | CONVERSATION -> PACKED_SEQUENCE -> TRAINING_STEP
benchmarks -> EVAL_ITEM -> EVAL_ANSWER -> COMPARISON
anything refused on the way -> DROPPED
"""

import pyarrow as pa

LANGUAGES = ("en", "zh", "hi", "es", "fr", "ar")
"""The six languages of ApolloCorpora (arXiv 2403.03640), in the order of its tables."""

IGNORED = -100
"""Label of a token on which no loss is taken (the convention of torch and transformers)."""

DOCUMENT = pa.schema(
    [
        ("id", pa.string()),  # 16 hex digits of BLAKE2b over (title, text) as read
        ("text", pa.string()),
        ("title", pa.string()),  # null where the source has none
        ("lang", pa.string()),  # ISO 639-1, as detected
        ("lang_score", pa.float32()),  # probability that the detector gives it
        ("lang_margin", pa.float32()),  # lang_score less that of the second best
        ("other_lang", pa.string()),  # a second language that a good part of the text is in; null as a rule
        ("kind", pa.string()),  # book, paper, encyclopedia, guideline, web, patient, exam, general, math, code
        ("phase", pa.string()),  # pretraining or instruction; null: as the kind says
        ("source", pa.string()),  # name of the source in the run's YAML
        ("license", pa.string()),
        ("uri", pa.string()),  # file that the row was read from
        ("position", pa.int64()),  # 0-based row, line or element in that file
    ]
)

CONVERSATION = pa.schema(
    [
        ("id", pa.string()),  # 16 hex digits of BLAKE2b over the turns
        ("turns", pa.list_(pa.string())),  # user, assistant, user, assistant ...: an even number
        ("lang", pa.string()),
        ("kind", pa.string()),  # of the document it was made from, or exam, patient, general, math, code
        ("phase", pa.string()),  # pretraining or instruction; null: as the kind says
        ("source", pa.string()),
        ("license", pa.string()),
        ("document", pa.string()),  # id of the DOCUMENT it was rewritten from; null for instruction data
        ("engine", pa.string()),  # what wrote it: "template", a model's name; null for instruction data
        ("prompt_version", pa.string()),  # of the prompt files that asked for it; null without a prompt
        ("prompt_hash", pa.string()),
        ("scores", pa.string()),  # JSON: check -> score of what an LLM wrote; null for all others
        ("uri", pa.string()),
        ("position", pa.int64()),
    ]
)

PACKED_SEQUENCE = pa.schema(
    [
        ("row", pa.int64()),  # place in the stream: the trainer reads rows by this number
        ("input_ids", pa.list_(pa.int32())),  # [length], length <= sequence_length, unpadded
        ("labels", pa.list_(pa.int32())),  # [length], not shifted, IGNORED where masked and where a document starts
        ("lengths", pa.list_(pa.int32())),  # [documents], tokens of each document; sum length: borders and positions
        ("langs", pa.list_(pa.string())),  # [documents], so that a held-out loss can be told by language
    ]
)

TRAINING_STEP = pa.schema(
    [
        ("step", pa.int64()),  # 1-based optimizer step
        ("loss", pa.float64()),  # mean over the supervised tokens of the global batch, nats per token
        ("learning_rate", pa.float64()),
        ("gradient_norm", pa.float64()),  # before clipping
        ("supervised_tokens", pa.int64()),
    ]
)

EVAL_ITEM = pa.schema(
    [
        ("id", pa.string()),
        ("benchmark", pa.string()),
        ("lang", pa.string()),
        ("task", pa.string()),  # choice, text or ask
        ("context", pa.string()),  # a text that the question is about (PubMedQA); null for most
        ("question", pa.string()),
        ("letters", pa.list_(pa.string())),  # empty unless task is choice
        ("options", pa.list_(pa.string())),  # as many as letters
        ("answer", pa.string()),  # a letter, the reference text, or null for ask
        ("fault", pa.string()),  # what reading had to mend, "reason: detail"; null as a rule
    ]
)

EVAL_ANSWER = pa.schema(
    [
        ("id", pa.string()),  # of the EVAL_ITEM
        ("benchmark", pa.string()),
        ("lang", pa.string()),
        ("model", pa.string()),  # name that the endpoint knows: base, expert, ensemble, ensemble@0.5 ...
        ("method", pa.string()),  # loglikelihood, generation, perplexity or ask
        ("rotation", pa.int64()),  # by how many places the options of a choice were moved; 0 for the item as it is
        ("question", pa.string()),
        ("gold", pa.string()),
        ("prediction", pa.string()),  # a letter or generated text; null where none could be read
        ("output", pa.string()),  # what the model wrote, whole; null for scored text
        ("correct", pa.bool_()),  # null where there is nothing to be right about
        ("logprob", pa.float64()),  # natural log of the probability of the reference text, or of the chosen option
        ("num_tokens", pa.int64()),  # that the reference text (or what was written) has in the model's tokenizer
        ("entropy", pa.float64()),  # mean over these tokens of that of the next token, nats; null where nobody told
        ("divergence", pa.float64()),  # mean over these tokens of KL(ensemble || its base), nats
        ("flipped", pa.int64()),  # tokens of the reference text at which the model `base` finds another one likeliest
    ]
)

COMPARISON = pa.schema(
    [
        ("arm", pa.string()),
        ("against", pa.string()),  # arm that it is held against; null for the one that would be held against itself
        ("benchmark", pa.string()),
        ("method", pa.string()),  # loglikelihood, generation or perplexity
        ("measure", pa.string()),  # accuracy (0 to 1), or nats (per token of reference answers: ln of the perplexity)
        ("lang", pa.string()),  # null: mean over languages, each weighing the same
        ("items", pa.int64()),
        ("value", pa.float64()),
        ("low", pa.float64()),  # 95 % interval
        ("high", pa.float64()),
        ("difference", pa.float64()),  # value less that of `against` on the same items; null where there is none
        ("difference_low", pa.float64()),
        ("difference_high", pa.float64()),
    ]
)

REFUSAL = pa.schema(
    [
        ("rule", pa.string()),  # part of the stage that refused the row; null in rows that are kept
        ("reason", pa.string()),  # short and fixed, counted in the manifest
        ("detail", pa.string()),  # the value and the limit it broke
    ]
)
"""What a row carries inside a stage beside its own columns, until kept and refused rows are parted."""

MAX_ROW_CHARACTERS = 4_000
"""Of a refused row that are kept."""

DROPPED = pa.schema(
    [
        ("id", pa.string()),
        *REFUSAL,
        ("uri", pa.string()),
        ("position", pa.int64()),
        ("row", pa.string()),  # the row itself as JSON, cut at MAX_ROW_CHARACTERS
    ]
)
