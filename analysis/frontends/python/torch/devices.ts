/** @file torch.device values: every tensor is on one device that nothing depends on. */
import type { ClassValue, InstanceValue, Value } from "../values/value";

const deviceClass: ClassValue = { k: "class", name: "device", bases: [], order: [], attributes: new Map(), fields: [] };
(deviceClass.order as ClassValue[]).push(deviceClass);

/** The device that all tensors are on. */
export const DEVICE: InstanceValue = {
  k: "instance",
  id: 0,
  cls: deviceClass,
  attributes: new Map<string, Value>([
    ["type", "cpu"],
    ["index", null],
  ]),
};

Object.assign(deviceClass, { construct: () => DEVICE });

/** The class `torch.device`. */
export const DEVICE_CLASS = deviceClass;
