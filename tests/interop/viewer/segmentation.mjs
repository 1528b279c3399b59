// The page of a web viewer that shows a Segmentation over its series, as Cornerstone3D's makers show it: its tools and
// adapters, unmodified.
import { Enums, RenderingEngine, eventTarget, init as initCore, metaData } from '@cornerstonejs/core';
import { init as initLoader, wadors } from '@cornerstonejs/dicom-image-loader';
import { adaptersSEG } from '@cornerstonejs/adapters';
import { Enums as ToolEnums, init as initTools, segmentation } from '@cornerstonejs/tools';
import { api } from 'dicomweb-client';

const text = (instance, tag) => instance[tag]?.Value?.[0];

/** Shows one image of the series, with the Segmentation over it. */
window.showSegmentation = async ({ root, token }, uids) => {
  const client = new api.DICOMwebClient({ url: root, headers: { Authorization: `Bearer ${token}` } });
  initCore();
  initTools();
  initLoader({ maxWebWorkers: 1, beforeSend: () => ({ Authorization: `Bearer ${token}` }) });
  const { studyInstanceUID } = uids;
  const metadata = await client.retrieveSeriesMetadata({ studyInstanceUID, seriesInstanceUID: uids.image });
  const imageIds = uids.images.map((sopInstanceUid) => {
    const instance = metadata.find((each) => text(each, '00080018') === sopInstanceUid);
    const path = `studies/${studyInstanceUID}/series/${uids.image}/instances/${sopInstanceUid}`;
    const imageId = `wadors:${root}/${path}/frames/1`;
    wadors.metaDataManager.add(imageId, instance);
    return imageId;
  });
  const element = document.createElement('div');
  element.style.cssText = 'width: 512px; height: 512px';
  document.body.append(element);
  const engine = new RenderingEngine('viewer');
  engine.enableElement({ viewportId: 'view', element, type: Enums.ViewportType.STACK });
  const viewport = engine.getViewport('view');
  const rendered = () =>
    Promise.race([
      new Promise((resolve) => element.addEventListener(Enums.Events.IMAGE_RENDERED, resolve, { once: true })),
      new Promise((_, reject) =>
        eventTarget.addEventListener(Enums.Events.IMAGE_LOAD_ERROR, (event) => reject(event.detail.error), {
          once: true,
        }),
      ),
    ]);
  // Every image is loaded once: a label map takes its geometry from the image it lies on.
  for (let index = 0; index < imageIds.length; index += 1) {
    const done = rendered();
    if (index === 0) await viewport.setStack(imageIds);
    else await viewport.setImageIdIndex(index);
    viewport.render();
    await done;
  }
  await viewport.setImageIdIndex(uids.index);
  const buffer = await client.retrieveInstance({
    studyInstanceUID,
    seriesInstanceUID: uids.segmentation,
    sopInstanceUID: uids.segmentationInstance,
  });
  const { Segmentation } = adaptersSEG.Cornerstone3D;
  const read = await Segmentation.createFromDICOMSegBuffer(imageIds, buffer, { metadataProvider: metaData });
  const labelMapImages = read.labelMapImages.flat();
  segmentation.addSegmentations([
    {
      segmentationId: 'seg',
      representation: {
        type: ToolEnums.SegmentationRepresentations.Labelmap,
        data: { imageIds: labelMapImages.map(({ imageId }) => imageId) },
      },
    },
  ]);
  const done = rendered();
  await segmentation.addLabelmapRepresentationToViewport('view', [{ segmentationId: 'seg' }]);
  viewport.render();
  await done;
  // The tools draw on events of their own: two frames later all of them have been.
  await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
  return {
    images: imageIds.length,
    segments: read.segMetadata.data.filter(Boolean).map(({ SegmentLabel }) => SegmentLabel),
    overlap: read.overlappingSegments,
    voxels: labelMapImages.map((image) => {
      const counts = {};
      for (const value of image.getPixelData()) if (value !== 0) counts[value] = (counts[value] ?? 0) + 1;
      return counts;
    }),
  };
};
