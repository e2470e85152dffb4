/** @file Input shapes that nothing states, found by what forward does with them. */
import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { model, prepare } from "../testing/project.fixture";

before(prepare);

/** Source of a model, and the shapes of its inputs without the batch. */
const CASES: Readonly<Record<string, readonly [init: string, forward: string, shapes: readonly (readonly number[])[]]>> = {
  "features and noise in one row": [
    "self.a, self.b, self.c = nn.Linear(4, 3), nn.Linear(3, 2), nn.Linear(2, 4)",
    "(self, x):\n        x, noise = x[:, :4], x[:, 4:]\n        return self.c(self.b(torch.tanh(self.a(x))) * noise)",
    [[6]],
  ],
  "coordinates beside the channels": [
    "self.conv, self.grid = nn.Conv2d(5, 3, 1), torch.randn(1, 2, 7, 7)",
    "(self, x):\n        return self.conv(torch.cat([x, self.grid.expand(x.shape[0], -1, -1, -1)], 1))",
    [[3, 7, 7]],
  ],
  "a small image, where strides make neighbouring sizes one": [
    "self.e, self.f = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.Conv2d(8, 8, 3, 2, 1), nn.Conv2d(8, 32, 3, 2, 1)), nn.Linear(128, 5)",
    "(self, x):\n        return self.f(torch.flatten(self.e(x), 1))",
    [[3, 16, 16]],
  ],
  "nodes, their places and edges by index": [
    "self.e, self.n = nn.Linear(17, 16), nn.Linear(24, 8)",
    `(self, h, coord, edge_index):
        row, col = edge_index
        radial = ((coord[row] - coord[col]) ** 2).sum(1, keepdim=True)
        m = torch.relu(self.e(torch.cat([h[row], h[col], radial], dim=1)))
        agg = torch.zeros(h.size(0), m.size(1)).index_add_(0, row, m)
        return h + self.n(torch.cat([h, agg], dim=1))`,
    [[8], [17], [5]],
  ],
  "points and directions that a split names the sizes of": [
    "self.a, self.b = nn.Linear(3, 8), nn.Linear(8 + 3, 4)",
    "(self, x):\n        p, v = torch.split(x, [3, 3], dim=-1)\n        return self.b(torch.cat([torch.relu(self.a(p)), v], -1))",
    [[6]],
  ],
  "windows of an image whose channels come last": [
    "self.embed, self.norm = nn.Linear(5, 6), nn.LayerNorm(6)",
    "(self, x):\n        b, h, w, d = self.embed(x).shape\n        return self.norm(self.embed(x).view(b, 2, 4, 2, 4, d).transpose(2, 3))",
    [[8, 8, 5]],
  ],
  "a convolutional recurrence": [
    "self.gates, self.h = nn.Conv2d(1 + 2, 8, 3, padding=1), 2",
    `(self, x):
        h = c = torch.zeros(x.shape[0], self.h, 5, 5)
        for t in range(2):
            i, f, o, g = self.gates(torch.cat([x[:, t], h], 1)).chunk(4, 1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
        return h.mean((2, 3))`,
    [[0, 1, 5, 5]],
  ],
  "steps that a loop runs along": [
    "self.i, self.f = nn.Linear(3, 3), nn.Linear(3, 3)",
    `(self, x):
        i, f = self.i(x), torch.sigmoid(self.f(x))
        h = torch.zeros_like(i[:, 0])
        for t in range(x.shape[1]):
            h = f[:, t] * h + (1 - f[:, t]) * i[:, t]
        return h`,
    [[5, 3]],
  ],
  "a matrix of pairs beside nodes": [
    "self.node, self.edge, self.h = nn.Linear(3, 6), nn.Linear(2, 6), 2",
    `(self, x, edge):
        b, n, _ = x.shape
        return self.node(x).view(b, n, 1, self.h, 3) + self.edge(edge).view(b, n, n, self.h, 3)`,
    [
      [5, 3],
      [5, 5, 2],
    ],
  ],
  "a graph that the model itself holds": [
    "self.a, self.graph = nn.Linear(3, 4), nn.Parameter(torch.randn(4, 4))",
    "(self, x):\n        return (self.graph @ self.a(x)).sum(1)",
    [[4, 3]],
  ],
  "a tensor with the name of a number": [
    "self.a = nn.Linear(7, 3)",
    `(self, h, x):
        n = h.shape[1]
        pairs = torch.cat([h[:, :, None].expand(-1, -1, n, -1), h[:, None].expand(-1, n, -1, -1)], -1)
        distance = ((x[:, :, None] - x[:, None]) ** 2).sum(-1, keepdim=True)
        return self.a(torch.cat([pairs, distance], -1))`,
    [
      [5, 3],
      [5, 7],
    ],
  ],
  "halves and thirds of a row": [
    "self.towers, self.top = nn.ModuleList(nn.Linear(3, 2) for _ in range(3)), nn.Linear(6, 1)",
    "(self, x):\n        return self.top(torch.cat([tower(p) for tower, p in zip(self.towers, x.chunk(3, 1))], 1))",
    [[9]],
  ],
  "patches of an image, and as many positions": [
    "self.patch, self.pos = nn.Conv2d(1, 4, 2, stride=2), nn.Parameter(torch.randn(1, 9, 4))",
    "(self, x):\n        b = x.shape[0]\n        return self.patch(x).flatten(2).transpose(1, 2) + self.pos.expand(b, -1, -1)",
    [[1, 6, 6]],
  ],
  "a condition beside the channels": [
    "self.a, self.film = nn.Conv2d(2, 3, 1), nn.Linear(2, 3)",
    "(self, x):\n        return self.a(x[:, :2]) * self.film(x[:, 2:, 0, 0])[..., None, None]",
    [[4, 64, 64]],
  ],
  "times of a diffusion": [
    "self.a, self.t = nn.Linear(3, 4), nn.Linear(4, 4)",
    `(self, x, t):
        f = torch.exp(-torch.arange(2.0))
        e = torch.cat([torch.cos(t[:, None] * f), torch.sin(t[:, None] * f)], -1)
        y = self.a(x)
        return y @ y.transpose(-1, -2) @ y + self.t(e)[:, None]`,
    [[5, 3], []],
  ],
  "places of a locally connected layer": [
    "self.w, self.head = nn.Parameter(torch.randn(4, 18, 3)), nn.Linear(3, 2)",
    "(self, x):\n        p = F.unfold(x, 3).transpose(1, 2)\n        return self.head(torch.einsum('bpi,pio->bpo', p, self.w).mean(1))",
    [[2, 4, 4]],
  ],
};

describe("shapes of inputs", () => {
  for (const [name, [init, forward, shapes]] of Object.entries(CASES)) {
    it(name, () => {
      const text = `class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n        ${init}\n\n    def forward${forward}\n`;
      const found = model(text, "Net");
      assert.deepEqual(found.opaque, []);
      const got = found.graph.inputs.map((i) => i.shape.slice(1));
      // 0 stands for a size that the code leaves open.
      assert.deepEqual(
        got.map((shape, i) => shape.map((d, k) => (shapes[i]?.[k] === 0 ? 0 : d))),
        shapes,
      );
    });
  }
});
