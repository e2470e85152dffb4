/**
 * @file Signatures of the standard operators: how many inputs and outputs they have and of what types their attributes are,
 * over all versions of the operator set (ONNX, "Operator Schemas"). Nodes are checked against them once, before anything
 * reads them, so that no rule behind has to ask whether an input is there.
 */
import { type Attribute, formalInputs, type Node } from "../graph/graph";

/**
 * Per line: operators = inputs (required, or required-possible, open where there is no limit), most outputs (* where there is
 * no limit), attributes with their types: n number, s text, N and S lists of these, t tensor, g graph; ! marks those that a
 * node cannot be without.
 */
const TABLE = `
  Add Sub Mul Div Pow Equal Greater Less And Or Xor = 2 1 axis:n broadcast:n;
  Mod = 2 1 fmod:n;
  Sum Mean Max Min = 1- 1;
  GreaterOrEqual LessOrEqual BitwiseAnd BitwiseOr BitwiseXor PRelu MatMul Expand = 2 1;
  BitwiseNot Not IsNaN Identity Neg Abs Sqrt Exp Log Reciprocal Erf Sin Cos Tan Asin Acos Atan Sinh Cosh Tanh Asinh Acosh
    Atanh Floor Ceil Round Sign Relu Sigmoid HardSwish Mish Softplus Softsign GlobalAveragePool GlobalMaxPool NonZero Size
    Det = 1 1;
  BitShift = 2 1 direction!:s;
  IsInf = 1 1 detect_negative:n detect_positive:n;
  Where Range = 3 1;
  Cast = 1 1 round_mode:s saturate:n to!:ns;
  CastLike = 2 1 round_mode:s saturate:n;
  Dropout = 1-3 2 is_test:n ratio:n seed:n;
  LeakyRelu Elu Celu Swish ThresholdedRelu = 1 1 alpha:n;
  Selu = 1 1 alpha:n gamma:n;
  HardSigmoid = 1 1 alpha:n beta:n;
  Gelu = 1 1 approximate:s;
  Shrink = 1 1 bias:n lambd:n;
  Clip = 1-3 1 max:n min:n;
  Gemm = 2-3 1 alpha:n beta:n broadcast:n transA:n transB:n;
  Einsum = 1- 1 equation!:s;
  Conv = 2-3 1 auto_pad:s dilations:N group:n kernel_shape:N pads:N strides:N;
  ConvTranspose = 2-3 1 auto_pad:s dilations:N group:n kernel_shape:N output_padding:N output_shape:N pads:N strides:N;
  MaxPool = 1 2 auto_pad:s ceil_mode:n dilations:N kernel_shape!:N pads:N storage_order:n strides:N;
  AveragePool = 1 1 auto_pad:s ceil_mode:n count_include_pad:n dilations:N kernel_shape!:N pads:N strides:N;
  LpPool = 1 1 auto_pad:s ceil_mode:n dilations:N kernel_shape:N p:n pads:N strides:N;
  GlobalLpPool = 1 1 p:n;
  Resize = 1-4 1 antialias:n axes:N coordinate_transformation_mode:s cubic_coeff_a:n exclude_outside:n
    extrapolation_value:n keep_aspect_ratio_policy:s mode:s nearest_mode:s;
  Upsample = 1-2 1 height_scale:n mode:s scales:N width_scale:n;
  ReduceSum ReduceMean ReduceMax ReduceMin ReduceProd ReduceL1 ReduceL2 ReduceSumSquare ReduceLogSum ReduceLogSumExp = 1-2
    1 axes:N keepdims:n noop_with_empty_axes:n;
  ArgMax ArgMin = 1 1 axis:n keepdims:n select_last_index:n;
  Softmax LogSoftmax Hardmax Flatten = 1 1 axis:n;
  CumSum = 2 1 exclusive:n reverse:n;
  TopK = 1-2 2 axis:n k:n largest:n sorted:n;
  Reshape = 1-2 1 allowzero:n shape:N;
  Squeeze Unsqueeze = 1-2 1 axes:N;
  Transpose = 1 1 perm:N;
  Concat = 1- 1 axis:n;
  Slice = 1-5 1 axes:N ends:N starts:N;
  Split = 1-2 * axis:n num_outputs:n split:N;
  Tile = 2-3 1;
  DepthToSpace = 1 1 blocksize!:n mode:s;
  SpaceToDepth = 1 1 blocksize!:n;
  Pad = 1-4 1 mode:s paddings:N pads:N value:n;
  Gather GatherElements Compress = 2 1 axis:n;
  GatherND = 2 1 batch_dims:n;
  ScatterElements = 3 1 axis:n reduction:s;
  Scatter OneHot = 3 1 axis:n;
  ScatterND = 3 1 reduction:s;
  ReverseSequence = 2 1 batch_axis:n time_axis:n;
  Constant = 0 1 sparse_value:t value:t value_float:n value_floats:N value_int:n value_ints:N value_string:s
    value_strings:S;
  Shape = 1 1 end:n start:n;
  ConstantOfShape = 1 1 value:t;
  EyeLike = 1 1 dtype:n k:n;
  Trilu = 1-2 1 upper:n;
  GridSample = 2 1 align_corners:n mode:s padding_mode:s;
  AffineGrid = 2 1 align_corners:n;
  RoiAlign = 3 1 coordinate_transformation_mode:s mode:s output_height:n output_width:n sampling_ratio:n spatial_scale:n;
  MaxRoiPool = 2 1 pooled_shape!:N spatial_scale:n;
  MaxUnpool = 2-3 1 kernel_shape!:N pads:N strides:N;
  DeformConv = 3-5 1 dilations:N group:n kernel_shape:N offset_group:n pads:N strides:N;
  Col2Im = 3 1 dilations:N pads:N strides:N;
  CenterCropPad = 2 1 axes:N;
  DFT = 1-3 1 axis:n inverse:n onesided:n;
  RandomNormal = 0 1 dtype:n mean:n scale:n seed:n shape!:N;
  RandomUniform = 0 1 dtype:n high:n low:n seed:n shape!:N;
  RandomNormalLike = 1 1 dtype:n mean:n scale:n seed:n;
  RandomUniformLike = 1 1 dtype:n high:n low:n seed:n;
  Bernoulli = 1 1 dtype:n seed:n;
  Multinomial = 1 1 dtype:n sample_size:n seed:n;
  QuantizeLinear = 2-3 1 axis:n block_size:n output_dtype:n precision:n saturate:n;
  DequantizeLinear = 2-3 1 axis:n block_size:n output_dtype:n;
  DynamicQuantizeLinear = 1 3;
  ConvInteger = 2-4 1 auto_pad:s dilations:N group:n kernel_shape:N pads:N strides:N;
  QLinearConv = 8-9 1 auto_pad:s dilations:N group:n kernel_shape:N pads:N strides:N;
  MatMulInteger = 2-4 1;
  QLinearMatMul = 8 1;
  BatchNormalization = 5 5 epsilon:n is_test:n momentum:n spatial:n training_mode:n;
  InstanceNormalization = 3 1 epsilon:n;
  GroupNormalization = 3 1 epsilon:n num_groups:n stash_type:n;
  LayerNormalization = 1-3 3 axis:n epsilon:n stash_type:n;
  RMSNormalization = 2 1 axis:n epsilon:n stash_type:n;
  LpNormalization = 1 1 axis:n p:n;
  MeanVarianceNormalization = 1 1 axes:N;
  LRN = 1 1 alpha:n beta:n bias:n size!:n;
  SimplifiedLayerNormalization = 2 3 axis:n epsilon:n stash_type:n;
  RNN = 3-6 2 activation_alpha:N activation_beta:N activations:S clip:n direction:s hidden_size:n layout:n
    output_sequence:n;
  GRU = 3-6 2 activation_alpha:N activation_beta:N activations:S clip:n direction:s hidden_size:n layout:n
    linear_before_reset:n output_sequence:n;
  LSTM = 3-8 3 activation_alpha:N activation_beta:N activations:S clip:n direction:s hidden_size:n input_forget:n layout:n
    output_sequence:n;
  Attention = 3-7 4 is_causal:n kv_num_heads:n q_num_heads:n qk_matmul_output_mode:n scale:n softcap:n
    softmax_precision:n;
  RotaryEmbedding = 3-4 1 interleaved:n num_heads:n rotary_embedding_dim:n;
  SoftmaxCrossEntropyLoss = 2-3 2 ignore_index:n reduction:s;
  NegativeLogLikelihoodLoss = 2-3 1 ignore_index:n reduction:s;
  If = 1 * else_branch!:g then_branch!:g;
  Loop = 0- * body!:g;
  Scan = 1- * body!:g directions:N num_scan_inputs!:n scan_input_axes:N scan_input_directions:N scan_output_axes:N
    scan_output_directions:N;
`;

interface Signature {
  readonly required: number;
  readonly possible: number;
  readonly outputs: number;
  /** Allowed types by attribute. */
  readonly attributes: ReadonlyMap<string, string>;
  readonly needed: readonly string[];
}

function parse(table: string): ReadonlyMap<string, Signature> {
  const out = new Map<string, Signature>();
  for (const line of table.split(";")) {
    const [names, rest] = line.trim().split(" = ");
    if (names === undefined || rest === undefined) continue;
    const [inputs, outputs, ...listed] = rest.split(/\s+/) as [string, string, ...string[]];
    const [required, possible] = inputs.split("-") as [string, string?];
    const attributes = listed.map((a) => a.split(":") as [string, string]);
    const signature: Signature = {
      required: Number(required),
      possible: possible === undefined ? Number(required) : possible === "" ? Number.POSITIVE_INFINITY : Number(possible),
      outputs: outputs === "*" ? Number.POSITIVE_INFINITY : Number(outputs),
      attributes: new Map(attributes.map(([name, types]) => [name.replace("!", ""), types])),
      needed: attributes.flatMap(([name]) => (name.endsWith("!") ? [name.slice(0, -1)] : [])),
    };
    for (const name of names.split(/\s+/)) out.set(name, signature);
  }
  return out;
}

const SIGNATURES = parse(TABLE);

const TYPES: Readonly<Record<string, string>> = {
  n: "a number",
  s: "text",
  N: "a list of numbers",
  S: "a list of texts",
  t: "a tensor",
  g: "a graph",
};

/**
 * What is wrong with a node by the signature of its operator, as a sentence that says what was expected; undefined where
 * nothing is; of operators of other domains little is known. Attributes that the operator does not have are nobody's concern.
 */
export function misuse(node: Node): string | undefined {
  if (node.outputs.length === 0) return `${node.operator} ${node.name}: it has no outputs, expected one at least`;
  const signature = node.domain === "" ? SIGNATURES.get(node.operator) : undefined;
  if (signature === undefined) return undefined;
  const problem = inputProblem(node, signature) ?? attributeProblem(node, signature);
  return problem === undefined ? undefined : `${node.operator} ${node.name}: ${problem}`;
}

function inputProblem(node: Node, { required, possible, outputs }: Signature): string | undefined {
  const inputs = formalInputs(node);
  if (inputs.length < required || inputs.length > possible) {
    const range =
      possible === required
        ? `${required}`
        : possible === Number.POSITIVE_INFINITY
          ? `${required} or more`
          : `${required} to ${possible}`;
    return `it has ${inputs.length} inputs, expected ${range}`;
  }
  for (let i = 0; i < required; i++) if (inputs[i] === "") return `input ${i} is missing, expected a value`;
  if (node.outputs.length > outputs) return `it has ${node.outputs.length} outputs, expected at most ${outputs}`;
  return undefined;
}

function attributeProblem(node: Node, { attributes, needed }: Signature): string | undefined {
  for (const name in node.attributes) {
    const types = attributes.get(name);
    if (types === undefined || hasType(node.attributes[name]!, types)) continue;
    return `attribute ${name} is of another type, expected ${[...types].map((t) => TYPES[t]).join(" or ")}`;
  }
  for (const name of needed) {
    if (node.attributes[name] === undefined) return `attribute ${name} is missing, expected ${TYPES[attributes.get(name)![0]!]}`;
  }
  return undefined;
}

function hasType(value: Attribute, types: string): boolean {
  if (typeof value === "number") return types.includes("n") && !Number.isNaN(value);
  if (typeof value === "string") return types.includes("s");
  if (Array.isArray(value)) {
    const list = value as readonly unknown[];
    return list.length === 0 ? /[NS]/.test(types) : types.includes(typeof list[0] === "number" ? "N" : "S");
  }
  return types.includes("nodes" in value ? "g" : "t");
}
