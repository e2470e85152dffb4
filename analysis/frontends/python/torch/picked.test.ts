import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { analyse as symmetriesOf } from "../../../symmetry/analyse";
import { model, prepare } from "../testing/project.fixture";

const EXPERTS = `
class Experts(nn.Module):
    def __init__(self, d=4, h=3, n=3, k=2):
        super().__init__()
        self.n, self.k = n, k
        self.gate = nn.Linear(d, n, bias=False)
        self.experts = nn.ModuleList([nn.Sequential(nn.Linear(d, h), nn.ReLU(), nn.Linear(h, d)) for _ in range(n)])
`;

/** Ways to send tokens to experts and back, as people write them. */
const DISPATCHES: Readonly<Record<string, string>> = {
  "torch.where of a one-hot mask, and index_add_": `
    def forward(self, x):
        b, s, d = x.shape
        x = x.view(-1, d)
        w, chosen = torch.topk(F.softmax(self.gate(x), dim=1), self.k, dim=-1)
        out = torch.zeros((b * s, d), dtype=x.dtype)
        mask = F.one_hot(chosen, num_classes=self.n).permute(2, 1, 0)
        for e in range(self.n):
            place, token = torch.where(mask[e])
            y = self.experts[e](x[None, token].reshape(-1, d)) * w[token, place, None]
            out.index_add_(0, token, y.to(x.dtype))
        return out.reshape(b, s, d)
`,
  "torch.where of a comparison, and sums in place": `
    def forward(self, x):
        w, chosen = torch.topk(F.softmax(self.gate(x), dim=1), self.k)
        out = torch.zeros_like(x)
        for i, expert in enumerate(self.experts):
            token, nth = torch.where(chosen == i)
            out[token] += w[token, nth, None] * expert(x[token])
        return out
`,
  "masks, and assignments where any token is": `
    def forward(self, x):
        shape = x.shape
        x = x.reshape(-1, shape[-1])
        w, chosen = F.softmax(self.gate(x), dim=-1).max(dim=-1)
        out = torch.zeros_like(x)
        for i, e in enumerate(self.experts):
            m = chosen == i
            if m.any():
                out[m] = e(x[m]) * w[m].unsqueeze(-1)
        return out.view(shape)
`,
  "masks of two shapes": `
    def forward(self, x):
        w, chosen = F.softmax(self.gate(x), dim=-1).topk(self.k, dim=-1)
        out = torch.zeros_like(x)
        flat = x.view(-1, x.size(-1))
        flat_w = w.view(-1, w.size(-1))
        for i, expert in enumerate(self.experts):
            m = (chosen == i).any(dim=-1)
            rows = m.view(-1)
            y = expert(flat[rows]) * flat_w[rows, 0].unsqueeze(1)
            out[m] += y.squeeze(1)
        return out
`,
  "nonzero, rows taken whole": `
    def forward(self, x):
        w, chosen = torch.max(F.softmax(self.gate(x), dim=-1), dim=-1)
        out = x.new_zeros(x.shape)
        for i in range(self.n):
            rows = torch.eq(chosen, i).nonzero(as_tuple=True)[0]
            if rows.numel() == 0:
                continue
            out[rows, :] = self.experts[i](x[rows, :])
        return out * w.view(-1, 1)
`,
};

const STACKED = `
class Stacked(nn.Module):
    def __init__(self, d=4, h=3, n=3, k=2):
        super().__init__()
        self.n, self.k = n, k
        self.gate = nn.Linear(d, n, bias=False)
        self.up = nn.Parameter(torch.randn(n, h, d))
        self.down = nn.Parameter(torch.randn(n, d, h))
    def forward(self, x):
        w, chosen = torch.topk(F.softmax(self.gate(x), dim=-1), self.k, dim=-1)
        out = torch.zeros_like(x)
        mask = F.one_hot(chosen, num_classes=self.n).permute(2, 1, 0)
        hit = torch.greater(mask.sum(dim=(-1, -2)), 0).nonzero()
        for e in hit:
            e = e[0]
            place, token = torch.where(mask[e])
            y = F.linear(torch.relu(F.linear(x[token], self.up[e])), self.down[e])
            out.index_add_(0, token, y * w[token, place, None])
        return out
`;

describe("tokens that masks send to experts", () => {
  before(prepare);

  for (const [what, forward] of Object.entries(DISPATCHES)) {
    it(`are followed through ${what}`, () => {
      const found = model(EXPERTS + forward, "Experts");
      assert.deepEqual(found.opaque, []);
      const { continuous, opaque } = symmetriesOf(found.graph);
      assert.deepEqual(opaque, []);
      // Each hidden unit of each expert; what all experts' probabilities have in common before the softmax.
      assert.deepEqual([continuous.rescaling, continuous.translation, continuous.total], [9, 4, 13]);
    });
  }

  it("are followed through experts in one tensor, of which a loop picks those that are hit", () => {
    const found = model(STACKED, "Stacked");
    assert.deepEqual(found.opaque, []);
    const { continuous } = symmetriesOf(found.graph);
    assert.deepEqual([continuous.rescaling, continuous.translation, continuous.total], [9, 4, 13]);
  });

  it("a loop over what is picked adds what belongs to those that are, not to all", () => {
    const sum = (loop: string): string => `
class Biases(nn.Module):
    def __init__(self):
        super().__init__()
        self.bias = nn.Parameter(torch.randn(3, 4))
        self.out = nn.Linear(4, 2, bias=False)
    def forward(self, x):
        y = torch.tanh(x)
        for e in ${loop}:
            y = y + self.bias[e]
        return self.out(torch.tanh(y))
`;
    const total = (loop: string): number => symmetriesOf(model(sum(loop), "Biases").graph).continuous.total;
    assert.equal(total("range(3)"), 8, "of three biases only the sum counts");
    assert.equal(total("(x[0, :3] > 0).nonzero().squeeze(1)"), 0);
    assert.equal(total("(x[0, :3] > 0).nonzero()"), 0);
  });

  it("pin what they touch where something sees several of them", () => {
    const found = model(
      `${EXPERTS}
    def forward(self, x):
        chosen = self.gate(x).argmax(-1)
        rows = x[chosen == 1]
        return self.experts[0](rows - rows.mean(0))
`,
      "Experts",
    );
    assert.deepEqual(
      found.opaque.map((o) => o.operator),
      ["nonzero"],
    );
  });
});
