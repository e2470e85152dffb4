/** @file Stand-in for `transformers.modeling_outputs`: what models return, by name and by place. */

/** The base class of outputs. */
export const outputs = `
class ModelOutput:
    def __init__(self, *args, **kwargs):
        for key, value in kwargs.items():
            setattr(self, key, value)

    def to_tuple(self):
        return tuple(v for v in self.__dict__.values() if v is not None)

    def keys(self):
        return [k for k, v in self.__dict__.items() if v is not None]

    def values(self):
        return self.to_tuple()

    def get(self, key, default=None):
        return getattr(self, key)

    def __getitem__(self, key):
        if isinstance(key, str):
            return getattr(self, key)
        return self.to_tuple()[key]

    def __len__(self):
        return len(self.to_tuple())

    def __contains__(self, key):
        return getattr(self, key) is not None

    def __getattr__(self, name):
        return None
`;

const OUTPUT_NAMES = (
  "BaseModelOutput BaseModelOutputWithNoAttention BaseModelOutputWithPooling BaseModelOutputWithPoolingAndNoAttention " +
  "BaseModelOutputWithPast BaseModelOutputWithCrossAttentions BaseModelOutputWithPoolingAndCrossAttentions " +
  "BaseModelOutputWithPastAndCrossAttentions MoEModelOutput MoeModelOutputWithPast MoeCausalLMOutputWithPast MoeModelOutput " +
  "Seq2SeqModelOutput Seq2SeqMoEModelOutput Seq2SeqMoEOutput CausalLMOutput CausalLMOutputWithPast CausalLMOutputWithCrossAttentions " +
  "SequenceClassifierOutputWithPast MaskedLMOutput Seq2SeqLMOutput NextSentencePredictorOutput SequenceClassifierOutput " +
  "Seq2SeqSequenceClassifierOutput MultipleChoiceModelOutput TokenClassifierOutput QuestionAnsweringModelOutput " +
  "Seq2SeqQuestionAnsweringModelOutput SemanticSegmenterOutput ImageClassifierOutput ImageClassifierOutputWithNoAttention " +
  "DepthEstimatorOutput ImageSuperResolutionOutput MaskedImageModelingOutput MaskedImageCompletionOutput BackboneOutput " +
  "Wav2Vec2BaseModelOutput XVectorOutput SampleTSPredictionOutput Seq2SeqTSModelOutput Seq2SeqSpectrogramOutput"
).split(" ");

/** The base class and all outputs that model code imports by name. */
export const namedOutputs = outputs + OUTPUT_NAMES.map((n) => `\n\nclass ${n}(ModelOutput):\n    pass\n`).join("");
