"""An exam for models: questions of engineers whose answers the engine computes, and models that play a part."""
