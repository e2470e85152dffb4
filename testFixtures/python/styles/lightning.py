"""A Lightning module with a variational autoencoder, its optimisers and schedule."""
import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from torch import nn


class Autoencoder(pl.LightningModule):
    def __init__(self, width=32, latent=4, lr=2e-3, weight_decay=0.02):
        super().__init__()
        self.save_hyperparameters()
        self.encoder = nn.Sequential(nn.Linear(64, self.hparams.width), nn.ReLU(inplace=True))
        self.mean = nn.Linear(width, latent)
        self.logvar = nn.Linear(width, latent)
        self.decoder = nn.Sequential(nn.Linear(latent, width), nn.ReLU(inplace=True), nn.Linear(width, 64))

    def sample(self, mean, logvar):
        if not self.training:
            return mean
        return mean + torch.exp(0.5 * logvar) * torch.randn_like(mean)

    def forward(self, x):
        h = self.encoder(x.flatten(1))
        mean, logvar = self.mean(h), self.logvar(h)
        return self.decoder(self.sample(mean, logvar)), mean, logvar

    def training_step(self, batch, batch_idx):
        x, _ = batch
        y, mean, logvar = self(x)
        loss = F.mse_loss(y, x.flatten(1))
        self.log("loss", loss)
        return loss

    def configure_optimizers(self):
        decay = [p for p in self.parameters() if p.dim() > 1]
        rest = [p for p in self.parameters() if p.dim() <= 1]
        groups = [{"params": decay}, {"params": rest, "weight_decay": 0.0}]
        optimizer = torch.optim.AdamW(groups, lr=self.hparams.lr, weight_decay=self.hparams.weight_decay)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.01, total_steps=1000)
        return {"optimizer": optimizer, "lr_scheduler": schedule}
