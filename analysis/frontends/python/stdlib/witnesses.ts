/**
 * @file Witnesses: concrete values for what the source leaves open, chosen by name. `config.n_embd` becomes 24 because
 * groups do not depend on the number, but shapes have to be numbers. Sizes divide each other the way code expects
 * (heads divide widths), and differ where equality would suggest a coupling that is not there.
 */
import type { Interpreter } from "../evaluator/interpreter";
import { is } from "../values/inspect";
import { float, int, list, tuple } from "../values/make";
import type { ClassValue, InstanceValue, Value } from "../values/value";

/** A rule: names that it matches, and the value. The first match wins. */
const RULES: readonly (readonly [RegExp, () => Value])[] = [
  [/^(?:_?attn_implementation|attn_impl(?:ementation)?)$/, () => "eager"],
  [
    /(?:^|_)(?:dropout|drop|drop_prob|drop_rate|drop_path(?:_rate)?|pdrop|p|layerdrop|droppath)(?:$|_)|pdrop$|dropout$|_drop$/,
    () => float(0),
  ],
  [/(?:^|_)(?:eps|epsilon)$|_eps$/, () => float(1e-5)],
  [/hidden_act(?:ivation)?$/, () => "gelu"],
  [/(?:^|_)act(?:iv(?:ation|ate)?)?(?:_(?:fn|func|function|layer|type|name))?$|nonlinearity$|non_linearity$/, () => "relu"],
  [/^(?:norm|norm_type|norm_name|norm_mode)$/, () => "layer"],
  [/^(?:pooling|pool|pool_type|global_pool|classifier_pool)$/, () => "mean"],
  [/(?:init(?:ializer)?_(?:range|std|scale|value)|(?:^|_)std)$/, () => float(0.02)],
  [/layer_scale(?:_init)?(?:_value)?$|init_values?$/, () => float(1e-4)],
  [/(?:^|_)(?:theta|base)$|rope_theta$/, () => float(10000)],
  [/(?:^|_)(?:lr|learning_rate)$/, () => float(0.001)],
  [/(?:^|_)(?:momentum|alpha|beta|gamma|temperature|tau|scale|gain|ratio|sigma|rate|coef|weight_decay|decay)$/, () => float(1)],
  [
    /^(?:is_|use_|with_|has_|do_|enable_|return_|output_(?:attentions|hidden)|add_|tie_|scale_attn|reorder|gradient_checkpointing|checkpoint|causal_mask|flash|inplace|verbose|debug|bidirectional|causal$|pretrained|progress|training|learnable|affine)/,
    () => false,
  ],
  [/(?:^|_)(?:bias|qkv_bias|attention_bias|mlp_bias)$/, () => true],
  [/^(?:affine|elementwise_affine|norm_affine|batch_first|norm_first|pre_norm|prenorm)$/, () => true],
  [
    /^(?:device|dtype|mask|weights|quantization_config|rope_scaling|sliding_window|pad_token_id|padding_idx|cache|attn_mask|attention_mask|num_labels_none)$|_mask$|_cfg$/,
    () => null,
  ],
  [/(?:kernel_sizes|kernels)$/, () => list([int(3), int(5)])],
  [
    /(?:^|_)(?:dims|channels_list|widths|layer_sizes|hidden_sizes|hidden_dims|features_list|channel_sizes|embed_dims|out_channels_list|in_channels_list|filters_list)$/,
    () => list([int(16), int(24)]),
  ],
  [/(?:^|_)(?:depths|num_blocks|blocks_per_stage|layers_per_stage|n_blocks_list|num_layers_list)$/, () => list([int(1), int(2)])],
  [/(?:num_key_value_heads|n_kv_heads?|num_kv_heads?|kv_heads|n_kv_groups?|num_query_groups|n_query_groups)$/, () => int(2)],
  [
    /(?:head_dim|dim_head|head_size|d_head|attention_head_dim|dim_key|dim_value|d_k|d_v|d_kv|head_features|kv_channels|qk_dim)$/,
    () => int(6),
  ],
  [
    /(?:^|_)(?:(?:num|n)_?(?:attention_)?heads?|heads?|n_?head|nheads?|attention_heads|num_attention_heads|encoder_attention_heads|decoder_attention_heads)$/,
    () => int(4),
  ],
  [/(?:num_experts_per_tok|top_?k|n_active|num_selected|moe_top_k|experts_per_token|num_experts_per_token)$/, () => int(2)],
  [/(?:experts?)$/, () => int(4)],
  [
    /(?:^|_)(?:depth|num_layers?|n_?layers?|layers|num_hidden_layers|num_blocks|n_blocks|blocks|num_res_blocks|repeats?|num_repeats|stages?|num_stages|levels?|num_units|num_encoder_layers|num_decoder_layers|encoder_layers|decoder_layers|n_flows|num_convs|n_convs|num_layer|n_res_layers|L)$/,
    () => int(2),
  ],
  [
    /(?:vocab|n_tokens|num_tokens|num_embeddings|n_vocab|ntoken|num_words|vocabulary_size|n_src_vocab|n_trg_vocab|tokens|codebook_size|n_embed|num_codes|n_codes)/,
    () => int(11),
  ],
  [
    /(?:num_classes|n_classes|classes|num_labels|n_labels|nb_classes|class_num|num_class|n_class|output_classes|nclass|num_targets|n_targets|num_actions|n_actions|action_dim|action_size)$/,
    () => int(5),
  ],
  [
    /(?:max_(?:seq_?len(?:gth)?|len(?:gth)?|position_embeddings|positions|sequence_length|target_positions|source_positions|tokens)|seq_?len(?:gth)?|block_size|context_(?:length|window|size|len)|_ctx|n_positions|sequence_length|window_len|ctx_len|max_t|T|num_positions|max_seq)$/,
    () => int(16),
  ],
  [/(?:image_?size|img_?size|resolution|input_size_hw|im_size|imsize|crop_size|frame_size)$/, () => int(32)],
  [/(?:patch_?size|patch|tubelet_size|patch_dim|window_?size|ws|win_size)$/, () => int(4)],
  [/(?:num_frames|frames|n_frames)$/, () => int(4)],
  [/(?:num_groups|n_groups|groups|cardinality|num_group|groups_num|norm_groups|norm_num_groups)$/, () => int(1)],
  [
    /(?:^|_)(?:k|kernel|kernel_size|ksize|conv_kernel|kernel_width|filter_size|conv_dim|d_conv|conv_kernel_size|kernel_sz|ks)$/,
    () => int(3),
  ],
  [/(?:^|_)(?:s|stride|strides|dilation|dilations|dil|downsample_ratio)$/, () => int(1)],
  [
    /(?:^|_)(?:pad|padding|shift_size|layer_idx|layer_id|idx|index|offset|block_idx|level|stage|layer_num|i|layer_number|output_padding|lora_r0)$/,
    () => int(0),
  ],
  [
    /(?:rank|^r$|lora_r|low_rank|lora_rank|bottleneck_dim|code_dim|latent_dim|z_dim|latent_size|n_latent|d_latent|zdim|nz|latent_channels|z_channels|embedding_code)$/,
    () => int(6),
  ],
  [
    /(?:expansion|expand|expand_ratio|mult|multiplier|ff_mult|mlp_ratio|reduction|factor|squeeze_factor|upscale_factor|scale_factor|growth|ffn_ratio|d_expand|blocks_mult|channel_mult|width_mult)$/,
    () => int(2),
  ],
  [
    /(?:intermediate_size|ffn_dim|d_ff|dff|ff_dim|mlp_dim|dim_feedforward|d_inner|inner_dim|hidden_features|ffn_hidden|ffn_size|feedforward|d_hid|mlp_hidden|n_inner|ffn_embed_dim|ff_size|encoder_ffn_dim|decoder_ffn_dim|n_hidden_ff|d_intermediate|intermediate_dim|inner_size|hidden_mlp|filter_channels|pf_dim|forward_expansion)$/,
    () => int(40),
  ],
  [/(?:d_state|state_size|state_dim|n_state_ssm|ssm_state)$/, () => int(5)],
  [/(?:growth_rate)$/, () => int(4)],
  [
    /(?:^|_)(?:in_?(?:channels?|chans?|planes?|ch|features?|dims?|size|c|nc|filters?)|n_?in|input_?(?:channels?|dims?|size|features?|nc|ch)|inplanes?|inp|c_?in|dim_in|ch_in|n_channels|nc|num_channels|img_channels|image_channels|channels_in|d_in|enc_in|feat_in|obs_dim|num_features_in|ninp_in|num_input_channels|in_d|obs_size|input_shape|num_inputs|n_inputs|input_dimension|n_features)$/,
    () => int(12),
  ],
  [
    /(?:^|_)(?:out_?(?:channels?|chans?|planes?|ch|features?|dims?|size|c|nc|filters?)|n_?out|output_?(?:channels?|dims?|size|features?|nc|ch)|outplanes?|oup|c_?out|dim_out|ch_out|channels_out|d_out|projection_dim|proj_dim|num_out|final_dim|num_outputs|n_outputs|planes|target_dim)$/,
    () => int(20),
  ],
  [
    /(?:^|_)(?:mid_?(?:channels?|chans?|planes?|features?|dims?)|hidden_?(?:channels?|chans?|planes?|units?|nc|layer)|n_?hid(?:den)?|hidden_units|bottleneck|n_units|h_dim|hdim)$/,
    () => int(16),
  ],
  [
    /(?:dim|size|width|channels?|features?|planes?|hidden|embed|embd|d_model|units|ch|chs|n_embd|ninp|nhid|n_filters|num_filters|filters|nf|ngf|ndf|c|d|n|h|num_points|bins|length|len|n_state|nfeat|num_features|n_feat|nef|D|C|H|N|n_mels|n_audio_state|n_text_state|emb|num|count|cutoff)$/i,
    () => int(24),
  ],
  [/^(?:num|n)_/, () => int(2)],
  [/^shape$/, () => tuple([int(24)])],
];

/** A witness for an open value, by its name; undefined where the name says nothing. */
export function witnessFor(name: string): Value | undefined {
  const plain = name.replace(/^_+/, "");
  for (const [pattern, make] of RULES) if (pattern.test(plain)) return make();
  return undefined;
}

/** The witness for a name in one evaluation: what was learnt before, else by the rules, wider when narrow ones were refused. */
export function witnessIn(interpreter: Interpreter, name: string): Value | undefined {
  const learnt = interpreter.overrides.get(name);
  let value = learnt !== undefined ? int(learnt) : witnessFor(name);
  if (is(value, "int")) {
    if (learnt === undefined && value.v >= 12) value = int(value.v * interpreter.witnessScale);
    interpreter.witnesses.set(name, value.v);
  }
  return value;
}

/** Records which name a size stands for. */
export function recordSymbol(interpreter: Interpreter, name: string, value: Value): void {
  if (is(value, "int") && value.v > 1 && !interpreter.symbols.has(value.v)) interpreter.symbols.set(value.v, name);
}

/** Whether the code around the present place indexes, unpacks or loops over something of that name. */
function isUsedAsSequence(interpreter: Interpreter, name: string): boolean {
  const text = interpreter.frame?.chunk.text ?? "";
  return new RegExp(
    `(?:\\b(?:in|len|zip|enumerate|list|tuple|sum|reversed)\\b[ (]+|\\*)[\\w.]*\\b${name}\\b|\\b${name}\\s*\\[|\\b${name}\\s*\\+|\\b${name}\\s*[,)]`,
  ).test(text);
}

/** Attributes of configuration objects that nobody declared: a witness by name, remembered. */
export const namespaceMissing: NonNullable<ClassValue["missing"]> = (interpreter, self: InstanceValue, name) => {
  if (name.startsWith("__") || !interpreter.inventing) return undefined;
  let value = witnessIn(interpreter, name);
  // A plural that is never iterated or indexed where it is read is a number.
  if (is(value, "list") && !isUsedAsSequence(interpreter, name)) value = int(24);
  if (value === undefined) {
    const object = interpreter.environment.builtin("object");
    if (!is(object, "class") || !/space|config|cfg|args|params|options|spec$/.test(name)) return undefined;
    // A part of the configuration that is read further: an object of the same kind.
    value = { k: "instance", id: interpreter.id(), cls: self.cls, attributes: new Map() };
  }
  recordSymbol(interpreter, name, value);
  interpreter.journal.set(self.attributes, name, value);
  return value;
};
